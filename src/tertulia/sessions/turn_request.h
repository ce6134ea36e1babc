// What a client asks of a turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/chat/content.h"
#include "tertulia/chat/tool.h"
#include "tertulia/sessions/turn_registry.h"

namespace tertulia::sessions {

/// What becomes of a turn whose client closes the connection.
enum class OnDisconnect : std::uint8_t { finish, cancel };
std::optional<OnDisconnect> parse_on_disconnect(std::string_view text);

/// What makes a request the same as an earlier one. Value.
struct OnceKey {
    /// Unique among the owner's; empty: the request is not to be recognised.
    std::string key;
    /// Of all that the request asks for.
    std::string fingerprint;
    /// The client says that this is its first attempt: an earlier turn under the same key was another request.
    bool is_fresh = false;
    /// The key was not chosen by the client, but made of the fingerprint.
    bool is_automatic = false;
    base::Milliseconds remembered_for{0};

    /// What is kept of it for a turn that begins now.
    IdempotencyRecord record(const TurnName& turn, std::int64_t now_us) const;
};

/// One message and how it is to be answered. Checked by whoever makes it: ids are valid, texts are UTF-8. Value.
struct TurnRequest {
    std::string owner{local_owner};
    /// Empty: a new session with an id of our own.
    std::string session_id;
    /// The user's message: text, images, documents, results of tools. At least one block.
    std::vector<chat::ContentBlock> content;
    /// The application's tools, for this turn.
    std::vector<chat::Tool> tools;
    std::optional<chat::ToolChoice> tool_choice;
    /// What counts the memory that the content takes, where it is large: let go of as soon as the model answers.
    std::shared_ptr<const void> content_memory;
    bool stream = false;
    std::optional<std::string> model;
    std::optional<std::string> system;
    std::optional<std::int64_t> max_tokens;
    std::optional<double> temperature;
    std::vector<std::string> stop;
    /// A JSON object's text; empty: none.
    std::string metadata;
    /// The place of the last message that the client saw: the turn is refused where there are later ones. Empty: any.
    std::string parent;
    OnBusy on_busy = OnBusy::queue;
    OnceKey once;
    /// For the log.
    std::string request_id;
};

/// The answer that a turn takes up again in the place of a new message. Value.
struct TakenUp {
    enum class How : std::uint8_t {
        continuing,  ///< it goes on from its text; refused where the session has moved on
        retrying,    ///< it has no text: it is given anew; where the session has moved on the message is sent anew
    };
    How how = How::continuing;
    /// The turn that gave it, and its place.
    std::string turn_id;
    std::string place;
};

}  // namespace tertulia::sessions
