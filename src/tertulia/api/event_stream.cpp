#include "tertulia/api/event_stream.h"

#include <charconv>

#include "tertulia/api/sse_writer.h"

namespace tertulia::api {

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
    sessions::EventBatch batch;
    std::string bytes;
    // Only events are ever waited for, never the head.
    if (!co_await reader.next(batch, base::Deadline(clock_.steady())) && !co_await write({})) co_return;
    bool any = !batch.events.empty();
    while (true) {
        if (!any) any = co_await reader.next(batch, next_heartbeat());
        if (any && batch.events.empty()) break;
        bytes.clear();
        if (any)
            append_sse(bytes, batch, TurnFacts::of(reader, request_id_));
        else
            bytes = sse_heartbeat;
        if (!co_await write(bytes)) co_return;
        if (batch.has_end()) break;
        any = false;
    }
    co_await writer_.finish();
}

async::Task<void> EventStream::send(sessions::SessionFeed& feed) {
    sessions::EventBatch batch;
    // A client that leaves is noticed at once, however quiet the session is.
    writer_.on_close([&feed] { feed.stop(); });
    // The head goes out at once: there may be nothing to send for long.
    std::string bytes;
    while (co_await write(bytes)) {
        const base::Result<bool> any = co_await feed.next(batch, next_heartbeat());
        if (!any) break;  // the store is gone: the client comes back with its last id
        if (*any && batch.events.empty()) break;
        bytes.clear();
        if (*any)
            append_sse(bytes, batch, TurnFacts::of(feed.reader(), request_id_));
        else
            bytes = sse_heartbeat;
    }
    writer_.on_close(nullptr);
    co_await writer_.finish();
}

async::Task<bool> EventStream::write(std::string_view bytes) {
    if (writer_.started()) co_return co_await writer_.write(bytes);
    http::Response head{
        .status = 200, .content_type = "text/event-stream", .headers = std::move(headers_), .body = std::string(bytes)};
    head.headers.add("cache-control", "no-store, no-transform");
    head.headers.add("x-accel-buffering", "no");
    co_return co_await writer_.start_stream(std::move(head));
}

}  // namespace tertulia::api
