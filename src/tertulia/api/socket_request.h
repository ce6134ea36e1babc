// What a client says over a WebSocket.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tertulia/api/chat_request.h"
#include "tertulia/api/event_stream.h"
#include "tertulia/base/error.h"

namespace tertulia::api {

/// One message of a client. Value.
struct SocketRequest {
    enum class Type : std::uint8_t { chat, subscribe, unsubscribe, resume, cancel, ping };
    Type type = Type::ping;
    /// The client's own, at most 64 characters: every message that answers this one bears it.
    std::string request_id;
    /// Of `chat`.
    ChatRequest chat;
    /// Of the others, as their type asks for.
    std::string session_id;
    std::string turn_id;
    std::optional<EventId> last_event_id;
};

/// Reads a message, as strictly as a body (chat_request.h). `request_id` is filled in as soon as it is known, for the
/// error. Pure.
base::Result<SocketRequest> parse_socket_request(std::string_view text, std::string& request_id);

}  // namespace tertulia::api
