// Where sessions are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/chat/content.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/stop_reason.h"
#include "tertulia/chat/usage.h"

namespace tertulia::sessions {

/// A session is found only together with its owner: one user never sees another's data. Value.
struct SessionKey {
    std::string owner;
    std::string session_id;
    bool operator==(const SessionKey&) const = default;
};

/// How a turn's answer stands. `running` is never stored with a message.
enum class TurnState { running, completed, failed, cancelled, interrupted };
std::string_view to_string(TurnState state);
std::optional<TurnState> parse_turn_state(std::string_view text);

/// One entry of a session's history. Value.
struct StoredMessage {
    chat::Role role = chat::Role::user;
    /// The text blocks joined: what people read.
    std::string content;
    /// All blocks where there is more than that text; else empty.
    std::vector<chat::ContentBlock> blocks;
    /// Its place in the session's order (base::next_timestamp).
    std::string timestamp;
    /// The wall clock's time, in the same form.
    std::string created_at;
    std::string turn_id;
    TurnState state = TurnState::completed;
    /// `provider/model`; an assistant's message only.
    std::string model;
    std::optional<chat::StopReason> stop_reason;
    std::optional<chat::Usage> usage;
    /// Nano-dollars; nothing where no price is known.
    std::optional<std::int64_t> cost_nano;
    /// The client's own JSON object, kept with the user message; empty: none.
    std::string metadata;
    bool operator==(const StoredMessage&) const = default;
};

/// What is known of a session without reading its messages. Value.
struct SessionHeader {
    std::string session_id;
    std::int64_t message_count = 0;
    /// The newest message's place in the order.
    std::string last_timestamp;
    /// The wall clock's time of the last write.
    std::string last_activity;
    /// The first user message's beginning (at most 120 bytes, cut at a character).
    std::string first_words;
    /// Sticky, once sent; empty: the server's default.
    std::string model;
    std::string system;
    /// Where the history that the model was last shown begins (the place of its first message), and for which window:
    /// the prefix stays the same from turn to turn until it no longer fits. Empty and 0: from the session's beginning.
    std::string context_from;
    std::int64_t context_window = 0;
    bool operator==(const SessionHeader&) const = default;
};

/// A turn begins: the user's message is appended. Value.
struct TurnStart {
    SessionKey key;
    /// role user; timestamp greater than every other of the session.
    StoredMessage message;
    /// The header's sticky members and context as they are from now on.
    std::string model;
    std::string system;
    std::string context_from;
    std::int64_t context_window = 0;
};

/// A turn ends: the assistant's message is appended. Value.
struct TurnEnd {
    SessionKey key;
    /// role assistant; turn_id is that of the start.
    StoredMessage message;
};

struct MessageQuery {
    /// At least 1.
    std::int64_t limit = 50;
    /// Exclusive places in the order; empty: no bound. With `before` alone the page is the last `limit` before it.
    std::string after;
    std::string before;
};

/// Oldest first.
struct MessagePage {
    std::vector<StoredMessage> messages;
    /// Are there more after the last one (within the bounds)?
    bool more = false;
};

/// Newest activity first.
struct SessionPage {
    std::vector<SessionHeader> sessions;
    /// Give back as `after`; empty: no more. Opaque.
    std::string next;
};

/// A session's header with the newest part of its history.
struct SessionSnapshot {
    SessionHeader header;
    /// Newest first.
    std::vector<StoredMessage> newest;
    /// Is there older history than that?
    bool more = false;
};

/// Keeps sessions. Every write is durable when its task returns success; a failed one has changed nothing.
/// Errors: `unavailable` (full disk, locked, gone) with a message for the operator's eyes in the log and a plain one in
/// the Error; `not_found`, `conflict` where the method says so. Shared; safe from any thread: tasks come back on the
/// caller's worker.
class SessionStore {
  public:
    virtual ~SessionStore() = default;

    /// The session's header and its newest messages, at most `max_messages` of them and about `max_bytes` of content
    /// (at least one message, if there is one). Nothing where there is no such session.
    virtual async::Task<base::Result<std::optional<SessionSnapshot>>> open(SessionKey key, std::int64_t max_messages,
                                                                           std::int64_t max_bytes) = 0;

    /// Messages before `before` (exclusive), newest first, within the same two limits; empty where there are none.
    virtual async::Task<base::Result<std::vector<StoredMessage>>> older(SessionKey key, std::string before,
                                                                        std::int64_t max_messages,
                                                                        std::int64_t max_bytes) = 0;

    /// Appends the user's message, makes the session if it is new, and marks the turn as the session's running one.
    /// Where another turn is still marked as running (its end could not be written), that one's missing answer is first
    /// appended as `interrupted`, empty, just before the new message in the order. `conflict`: the timestamp is not
    /// greater than the session's last (nothing is written).
    virtual async::Task<base::Result<void>> begin_turn(TurnStart start) = 0;

    /// Appends the assistant's message and clears the mark, if that turn is the session's running one; else `not_found`
    /// (the session was deleted, or the turn closed) and nothing is written.
    virtual async::Task<base::Result<void>> end_turn(TurnEnd end) = 0;

    /// Appends an empty `interrupted` answer to every session with a running turn (at start, after a crash); gives
    /// their number. The answer's timestamp is base::next_timestamp(last, now_us).
    virtual async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) = 0;

    /// A page of history, oldest first; nothing where there is no such session.
    virtual async::Task<base::Result<std::optional<MessagePage>>> messages(SessionKey key, MessageQuery query) = 0;

    /// The owner's sessions, newest activity first. `after`: a former page's `next`; empty: from the newest.
    virtual async::Task<base::Result<SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                            std::string after) = 0;

    /// Deletes a session with all its messages. False where there is no such session.
    virtual async::Task<base::Result<bool>> remove(SessionKey key) = 0;
};

}  // namespace tertulia::sessions
