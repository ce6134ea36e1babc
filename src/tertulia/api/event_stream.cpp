#include "tertulia/api/event_stream.h"

#include <charconv>

#include "tertulia/api/error_reply.h"
#include "tertulia/api/server_timing.h"
#include "tertulia/api/sse_writer.h"

namespace tertulia::api {
namespace {

// Who sees the events only with the end of the answer gets what is there and what follows closely, and asks again.
constexpr base::Milliseconds for_more_of_an_answer{1000};

}  // namespace

std::optional<EventId> parse_event_id(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || colon > 64) return std::nullopt;
    EventId id{.turn_id = std::string(text.substr(0, colon)), .number = 0};
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, id.number);
    if (error != std::errc() || stop != end) return std::nullopt;
    return id;
}

async::Task<void> EventStream::send(sessions::TurnReader& reader) {
    const bool has_trailers = writer_.takes_trailers();
    if (has_trailers) add_header("trailer", server_timing_field);
    // Only events are ever waited for, never the head.
    base::Deadline deadline(clock_.steady());
    std::string_view without_event;
    while (true) {
        sessions::EventBatch batch;
        std::string bytes;
        const bool any = co_await reader.next(batch, deadline);
        if (any && batch.events.empty()) break;
        if (any)
            render(bytes, batch, reader);
        else
            bytes = without_event;
        if (!co_await write(bytes)) co_return;
        if (batch.has_end()) {
            note_failure(reader);
            break;
        }
        deadline = next_heartbeat();
        without_event = sse_heartbeat;
    }
    if (has_trailers)
        co_await writer_.finish_with(trailers(reader));
    else
        co_await writer_.finish();
}

void EventStream::note_failure(const sessions::TurnReader& reader) const {
    const auto result = reader.result();
    if (result->state != sessions::TurnState::completed) writer_.note_failure(turn_error(*result));
}

http::Headers EventStream::trailers(const sessions::TurnReader& reader) {
    http::Headers fields;
    const auto result = reader.result();
    if (result && !result->attempts.empty()) fields.add(server_timing_field, server_timing(result->attempts));
    return fields;
}

async::Task<void> EventStream::send(sessions::SessionFeed& feed) {
    // A client that leaves is noticed at once, however quiet the session is.
    writer_.on_close([&feed] { feed.stop(); });
    // The head goes out at once: there may be nothing to send for long.
    bool is_there = co_await write({});
    bool has_shown = false;
    while (is_there) {
        sessions::EventBatch batch;
        std::string bytes;
        const bool soon_over = has_shown && !writer_.is_live();
        const base::Result<bool> any = co_await feed.next(
            batch, soon_over ? base::Deadline(clock_.steady() + for_more_of_an_answer) : next_heartbeat());
        if (!any) break;  // the store is gone: the client comes back with its last id
        if (*any && batch.events.empty()) break;
        if (!*any && soon_over) break;
        has_shown = has_shown || *any;
        if (*any)
            render(bytes, batch, feed.reader());
        else
            bytes = sse_heartbeat;
        is_there = co_await write(bytes);
    }
    writer_.on_close(nullptr);
    co_await writer_.finish();
}

void EventStream::render(std::string& bytes, const sessions::EventBatch& batch,
                         const sessions::TurnReader& reader) const {
    append_sse(bytes, batch, TurnFacts::of(reader, request_id_));
}

async::Task<bool> EventStream::write(std::string_view bytes) {
    if (writer_.started()) co_return co_await writer_.write(bytes);
    http::Response head{
        .status = 200, .content_type = "text/event-stream", .headers = std::move(headers_), .body = std::string(bytes)};
    head.headers.add("cache-control", "no-store");
    head.headers.add("x-accel-buffering", "no");
    co_return co_await writer_.start_stream(std::move(head));
}

}  // namespace tertulia::api
