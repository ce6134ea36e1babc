#include "tertulia/api/chat_handler.h"

#include <string>

#include "tertulia/api/answer_json.h"
#include "tertulia/api/chat_request.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/json_response.h"
#include "tertulia/api/sse_writer.h"

namespace tertulia::api {
namespace {

// Does an Accept header name event streams? What it prefers (`q`) does not matter: nobody else asks for this type.
bool accepts_event_stream(std::string_view accept) {
    while (!accept.empty()) {
        const std::size_t comma = std::min(accept.find(','), accept.size());
        std::string_view range = accept.substr(0, comma);
        range.remove_prefix(std::min(range.find_first_not_of(" \t"), range.size()));
        if (http::is_media_type(range, "text/event-stream")) return true;
        accept.remove_prefix(std::min(comma + 1, accept.size()));
    }
    return false;
}

// A turn that ended before its user message was durable left nothing behind that its ids could find.
ErrorContext error_context(const http::Request& request, const sessions::BegunTurn& turn) {
    if (!turn.reader.has_started()) return {.request_id = request.id};
    return {.request_id = request.id, .session_id = turn.session_id, .turn_id = turn.turn_id};
}

}  // namespace

base::Result<sessions::BegunTurn> ChatHandler::begin(http::Request& request, bool& stream) {
    if (!http::is_media_type(request.headers.get("content-type"), "application/json"))
        return std::unexpected(base::Error{.code = base::Errc::invalid_request,
                                           .message = "Send the body as 'Content-Type: application/json'.",
                                           .title = "Unsupported media type",
                                           .status = 415});
    base::Result<sessions::TurnRequest> turn = parse_chat_request(request.body);
    if (!turn) return std::unexpected(turn.error());
    std::string().swap(request.body);  // the turn may take minutes, and a body may be a megabyte
    turn->stream = turn->stream || accepts_event_stream(request.headers.get("accept"));
    turn->request_id = request.id;
    stream = turn->stream;
    return sessions_.begin(*std::move(turn));
}

async::Task<void> ChatHandler::chat(http::Request& request, http::ResponseWriter& writer) {
    bool stream = false;
    base::Result<sessions::BegunTurn> turn = begin(request, stream);
    if (!turn)
        co_await writer.respond(error_response(turn.error(), {.request_id = request.id}));
    else if (stream)
        co_await answer_stream(request, writer, *turn);
    else
        co_await answer_json(request, writer, *turn);
}

async::Task<void> ChatHandler::answer_json(const http::Request& request, http::ResponseWriter& writer,
                                           sessions::BegunTurn& turn) {
    // The turn has limits of its own and always ends: this wait needs none.
    const std::shared_ptr<const sessions::TurnResult> result = co_await turn.reader.wait_end(base::Deadline::never());
    if (result->state != sessions::TurnState::completed) {
        co_await writer.respond(error_response(turn_error(*result), error_context(request, turn)));
        co_return;
    }
    http::Response response = json_response(200, {});
    append_answer(response.body, *result);
    co_await writer.respond(std::move(response));
}

async::Task<void> ChatHandler::answer_stream(const http::Request& request, http::ResponseWriter& writer,
                                             sessions::BegunTurn& turn) {
    co_await turn.reader.wait_start(base::Deadline::never());
    const std::optional<sessions::TurnStarted> started = turn.reader.started();
    if (!started) {
        co_await writer.respond(error_response(turn_error(*turn.reader.result()), error_context(request, turn)));
        co_return;
    }
    SseWriter events(turn.turn_id, request.id);
    sessions::EventBatch batch;
    std::string bytes;
    for (;;) {
        const bool any = co_await turn.reader.next(batch, base::Deadline(clock_.steady() + heartbeat_after));
        bytes.clear();
        if (any)
            events.append(bytes, batch, *started, turn.reader.result().get());
        else
            bytes = SseWriter::heartbeat;
        if (writer.started()) {
            if (!co_await writer.write(bytes)) co_return;
        } else {
            http::Response head{.status = 200, .content_type = "text/event-stream", .headers = {}, .body = bytes};
            head.headers.add("cache-control", "no-store");
            head.headers.add("x-accel-buffering", "no");
            if (!co_await writer.start_stream(std::move(head))) co_return;
        }
        if (any && !batch.events.empty() && batch.events.back().kind == sessions::EventKind::ended) break;
    }
    co_await writer.finish();
}

}  // namespace tertulia::api
