// Events to one client over HTTP, as they happen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_feed.h"
#include "tertulia/sessions/turn_reader.h"

namespace tertulia::api {

/// Where a client wants to go on: `Last-Event-ID: <turn>:<number>`. Value.
struct EventId {
    std::string turn_id;
    std::uint32_t number = 0;
};
std::optional<EventId> parse_event_id(std::string_view text);

/// Server-sent events in answer to one request, with a comment where there is nothing to send for `heartbeat`. A client
/// that leaves ends the stream, never the turn. No buffer is held while there is nothing to send. One per worker.
class EventStream {
  public:
    /// `request_id` is the request's, which outlives it.
    EventStream(http::ResponseWriter& writer, const base::Clock& clock, base::Milliseconds heartbeat,
                std::string_view request_id)
        : writer_(writer), clock_(clock), heartbeat_(heartbeat), request_id_(request_id) {}

    /// A field of the answer's head.
    void add_header(std::string name, std::string value) { headers_.add(std::move(name), std::move(value)); }

    /// One turn, to its end. A client that takes trailers gets `server-timing` behind it.
    async::Task<void> send(sessions::TurnReader& reader);
    /// A session, for as long as the client listens.
    async::Task<void> send(sessions::SessionFeed& feed);

  private:
    base::Deadline next_heartbeat() const { return base::Deadline(clock_.steady() + heartbeat_); }
    // Not inline: what it needs for a moment would be kept in the frame of a stream that waits.
    [[gnu::noinline]] void render(std::string& bytes, const sessions::EventBatch& batch,
                                  const sessions::TurnReader& reader) const;
    async::Task<bool> write(std::string_view bytes);
    [[gnu::noinline]] void note_failure(const sessions::TurnReader& reader) const;
    [[gnu::noinline]] static http::Headers trailers(const sessions::TurnReader& reader);

    http::ResponseWriter& writer_;
    const base::Clock& clock_;
    base::Milliseconds heartbeat_;
    std::string_view request_id_;
    http::Headers headers_;
};

}  // namespace tertulia::api
