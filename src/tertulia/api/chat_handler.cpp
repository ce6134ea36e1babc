#include "tertulia/api/chat_handler.h"

#include "tertulia/api/answer_json.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/event_stream.h"
#include "tertulia/api/json_response.h"
#include "tertulia/api/server_timing.h"
#include "tertulia/api/turn_handlers.h"
#include "tertulia/base/json.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/body_gate.h"

namespace tertulia::api {
namespace {

base::Result<void> check_media_type(const http::Request& request) {
    const auto unsupported = [](const char* message) {
        return std::unexpected(base::Error{
            .code = base::Errc::invalid_request, .message = message, .title = "Unsupported media type", .status = 415});
    };
    if (!http::is_media_type(request.headers.get("content-type"), "application/json"))
        return unsupported("Send the body as 'Content-Type: application/json'.");
    const std::string_view coding = http::trim(request.headers.get("content-encoding"));
    if (!coding.empty() && !http::equal_ignoring_case(coding, "identity"))
        return unsupported("Send the body as it is, without 'Content-Encoding'.");
    return {};
}

void free_body(http::Request& request) {
    std::string().swap(request.body);  // the turn may take minutes, and a body may be many megabytes
    request.body_gate.reset();
}

// Tells a retry's answer from the first one's.
constexpr const char* replayed_field = "idempotency-replayed";

}  // namespace

async::Task<void> ChatHandler::chat(http::Request& request, http::ResponseWriter& writer) {
    base::Result<ChatRequest> asked;
    if (auto checked = check_media_type(request); !checked)
        asked = std::unexpected(checked.error());
    else
        asked = parse_chat_request(request.body, request.headers);
    if (asked) asked->turn.content_memory = request.body_gate;
    free_body(request);
    if (!asked) return refuse(request, writer, std::move(asked.error()));
    asked->turn.request_id = request.id;
    asked->turn.on_busy = asked->on_busy.value_or(defaults_.on_busy);
    const Manner manner = manner_of(*asked);
    if (!asked->turn.once.key.empty()) return begin_once(request, writer, manner, std::move(asked->turn));
    return answer(request, writer, manner, sessions_.begin(std::move(asked->turn)));
}

async::Task<void> ChatHandler::continue_turn(http::Request& request, http::ResponseWriter& writer) {
    base::Result<ChatRequest> asked;
    if (auto checked = check_media_type(request); !checked && !request.body.empty())
        asked = std::unexpected(checked.error());
    else
        asked = parse_continue_request(request.body, request.headers);
    free_body(request);
    if (!asked) return refuse(request, writer, std::move(asked.error()));
    base::Result<sessions::TurnName> name = turn_name(request);
    if (!name) return refuse(request, writer, std::move(name.error()));
    asked->turn.request_id = request.id;
    sessions::OnceKey& once = asked->turn.once;
    if (!once.key.empty()) {
        // What it asks for stands in the path, not in the body; an SDK's key is made of that alone.
        once.fingerprint += " " + name->turn_id;
        if (once.is_automatic) once.key += " " + name->turn_id;
    }
    return begin_continuation(request, writer, manner_of(*asked), std::move(*name), std::move(asked->turn));
}

ChatHandler::Manner ChatHandler::manner_of(const ChatRequest& asked) const {
    return {.stream = asked.turn.stream,
            .respond_async = asked.respond_async,
            .cancels_on_disconnect =
                asked.on_disconnect.value_or(defaults_.on_disconnect) == sessions::OnDisconnect::cancel};
}

async::Task<void> ChatHandler::begin_once(http::Request& request, http::ResponseWriter& writer, Manner manner,
                                          sessions::TurnRequest asked) {
    co_await answer(request, writer, manner, co_await sessions_.begin_once(std::move(asked)));
}

async::Task<void> ChatHandler::begin_continuation(http::Request& request, http::ResponseWriter& writer, Manner manner,
                                                  sessions::TurnName name, sessions::TurnRequest asked) {
    if (asked.once.key.empty())
        co_await answer(request, writer, manner, co_await sessions_.continue_turn(std::move(name), std::move(asked)));
    else
        co_await answer(request, writer, manner, co_await sessions_.begin_once(std::move(asked), std::move(name)));
}

async::Task<void> ChatHandler::refuse(const http::Request& request, http::ResponseWriter& writer, base::Error error) {
    co_await writer.respond(error_response(error, {.request_id = request.id}));
}

async::Task<void> ChatHandler::answer(http::Request& request, http::ResponseWriter& writer, Manner manner,
                                      base::Result<sessions::BegunTurn> turn) {
    if (!turn) return refuse(request, writer, std::move(turn.error()));
    if (manner.respond_async && !turn->reader.result()) return answer_async(request, writer, std::move(*turn));
    // Who merely repeats a request does not decide over the turn of the first.
    if (manner.cancels_on_disconnect && !turn->is_replay)
        writer.on_close([this, name = turn->reader.name()] { sessions_.ask_to_cancel(name); });
    if (manner.stream) return answer_stream(request, writer, std::move(*turn));
    return answer_json(request, writer, std::move(*turn));
}

async::Task<void> ChatHandler::refuse_unstarted(const http::Request& request, http::ResponseWriter& writer,
                                                const sessions::TurnReader& reader) {
    co_await writer.respond(turn_error_response(*reader.result(), false, request.id));
}

async::Task<void> ChatHandler::answer_json(const http::Request& request, http::ResponseWriter& writer,
                                           sessions::BegunTurn turn) {
    // The turn has limits of its own and always ends: this wait needs none.
    const std::shared_ptr<const sessions::TurnResult> result = co_await turn.reader.wait_end(base::Deadline::never());
    if (result->state == sessions::TurnState::running) co_return co_await accept(writer, turn, false);
    http::Response response;
    if (result->state == sessions::TurnState::completed) {
        response = json_response(200, {});
        append_answer(response.body, *result);
    } else {
        response = turn_error_response(*result, turn.reader.has_started(), request.id);
    }
    if (turn.is_replay) response.headers.add(replayed_field, "true");
    if (!result->attempts.empty()) response.headers.add(server_timing_field, server_timing(result->attempts));
    co_await writer.respond(std::move(response));
}

async::Task<void> ChatHandler::answer_stream(const http::Request& request, http::ResponseWriter& writer,
                                             sessions::BegunTurn turn) {
    co_await turn.reader.wait_start(base::Deadline::never());
    if (!turn.reader.has_started() && !turn.reader.log().was_queued()) {
        co_await refuse_unstarted(request, writer, turn.reader);
        co_return;
    }
    EventStream events(writer, clock_, defaults_.heartbeat, request.id);
    if (turn.is_replay) events.add_header(replayed_field, "true");
    co_await events.send(turn.reader);
}

async::Task<void> ChatHandler::answer_async(const http::Request& request, http::ResponseWriter& writer,
                                            sessions::BegunTurn turn) {
    // What is acknowledged is durable, or said to wait: where another process may be asked for it, only the former.
    if (sessions_.is_shared())
        co_await turn.reader.wait_begun(base::Deadline::never());
    else
        co_await turn.reader.wait_start(base::Deadline::never());
    const bool started = turn.reader.has_started();
    if (!started && !turn.reader.log().was_queued()) {
        co_await refuse_unstarted(request, writer, turn.reader);
        co_return;
    }
    co_await accept(writer, turn, true);
}

// The answer comes later, or from another process.
async::Task<void> ChatHandler::accept(http::ResponseWriter& writer, const sessions::BegunTurn& turn, bool is_wished) {
    const bool started = turn.reader.has_started();
    const sessions::TurnName& name = turn.reader.name();
    http::Response response = json_response(202, "{\"session_id\":");
    base::append_json_string(response.body, name.key.session_id);
    response.body += ",\"turn_id\":";
    base::append_json_string(response.body, name.turn_id);
    response.body += started ? ",\"state\":\"running\"}" : ",\"state\":\"queued\"}";
    response.headers.add("location", "/sessions/" + name.key.session_id + "/turns/" + name.turn_id);
    if (is_wished) response.headers.add("preference-applied", "respond-async");
    if (turn.is_replay) response.headers.add(replayed_field, "true");
    co_await writer.respond(std::move(response));
}

}  // namespace tertulia::api
