#include "tertulia/api/turn_handlers.h"

#include "tertulia/api/answer_json.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/event_stream.h"
#include "tertulia/api/json_response.h"
#include "tertulia/base/random.h"

namespace tertulia::api {
namespace {

constexpr std::size_t max_turn_id_bytes = 64;

// Where the client wants to go on. A query parameter serves those that cannot set a header on their first request.
base::Result<std::optional<EventId>> last_event_id(const http::Request& request) {
    const std::string* header = request.headers.find("last-event-id");
    const std::optional<std::string> given = header ? std::optional(*header) : request.query("last_event_id");
    if (!given || given->empty()) return std::nullopt;
    auto id = parse_event_id(*given);
    if (!id)
        return base::fail(base::Errc::invalid_request, "'Last-Event-ID' must be the id of an event, such as t_...:12.");
    return id;
}

async::Task<void> respond(http::ResponseWriter& writer, const http::Request& request, const base::Error& error) {
    co_await writer.respond(error_response(error, {.request_id = request.id}));
}

}  // namespace

base::Result<sessions::SessionKey> session_key(const http::Request& request) {
    const std::string_view id = request.parameter("id");
    if (!base::is_session_id(id)) return std::unexpected(sessions::no_such_session());
    return sessions::SessionKey{.owner = std::string(sessions::local_owner), .session_id = std::string(id)};
}

base::Result<sessions::TurnName> turn_name(const http::Request& request) {
    auto key = session_key(request);
    if (!key) return std::unexpected(key.error());
    const std::string_view id = request.parameter("turn");
    if (id.empty() || id.size() > max_turn_id_bytes || !base::is_session_id(id))
        return std::unexpected(sessions::no_such_turn());
    return sessions::TurnName{.key = *std::move(key), .turn_id = std::string(id)};
}

async::Task<void> TurnHandlers::show(http::Request& request, http::ResponseWriter& writer) {
    const auto name = turn_name(request);
    if (!name) co_return co_await respond(writer, request, name.error());
    const auto reader = co_await sessions_.read(*name);
    if (!reader) co_return co_await respond(writer, request, reader.error());
    http::Response response = json_response(200, {});
    append_turn(response.body, *reader, request.id);
    co_await writer.respond(std::move(response));
}

async::Task<void> TurnHandlers::events(http::Request& request, http::ResponseWriter& writer) {
    const auto name = turn_name(request);
    if (!name) co_return co_await respond(writer, request, name.error());
    const auto after = last_event_id(request);
    if (!after) co_return co_await respond(writer, request, after.error());
    if (*after && (*after)->turn_id != name->turn_id)
        co_return co_await respond(
            writer, request,
            {.code = base::Errc::invalid_request, .message = "'Last-Event-ID' names another turn than the path."});
    auto reader = co_await sessions_.read(*name, *after ? (*after)->number : 0);
    if (!reader) co_return co_await respond(writer, request, reader.error());
    if (reader->is_over()) {
        // Nothing comes any more. With this status a browser's EventSource does not come back either.
        co_await writer.respond({.status = 204, .content_type = {}, .headers = {}, .body = {}});
        co_return;
    }
    EventStream stream(writer, clock_, heartbeat_, request.id);
    co_await stream.send(*reader);
}

async::Task<void> TurnHandlers::cancel(http::Request& request, http::ResponseWriter& writer) {
    const auto name = turn_name(request);
    if (!name) co_return co_await respond(writer, request, name.error());
    const auto reader =
        co_await sessions_.cancel(*name, base::Deadline(clock_.steady() + sessions::SessionService::cancel_limit));
    if (!reader) co_return co_await respond(writer, request, reader.error());
    http::Response response = json_response(200, {});
    append_turn(response.body, *reader, request.id);
    co_await writer.respond(std::move(response));
}

async::Task<void> TurnHandlers::session_events(http::Request& request, http::ResponseWriter& writer) {
    const auto key = session_key(request);
    if (!key) co_return co_await respond(writer, request, key.error());
    const auto after = last_event_id(request);
    if (!after) co_return co_await respond(writer, request, after.error());
    const auto exists = co_await sessions_.exists(*key);
    if (!exists) co_return co_await respond(writer, request, exists.error());
    if (!*exists) co_return co_await respond(writer, request, sessions::no_such_session());
    sessions::SessionFeed feed = sessions_.feed(*key);
    const auto found = *after ? co_await feed.from((*after)->turn_id, (*after)->number) : co_await feed.from_now();
    if (!found) co_return co_await respond(writer, request, found.error());
    EventStream stream(writer, clock_, heartbeat_, request.id);
    co_await stream.send(feed);
}

}  // namespace tertulia::api
