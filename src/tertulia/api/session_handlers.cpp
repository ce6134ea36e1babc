#include "tertulia/api/session_handlers.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "tertulia/api/answer_json.h"
#include "tertulia/api/chat_request.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/json_response.h"
#include "tertulia/api/turn_handlers.h"

namespace tertulia::api {
namespace {

constexpr std::size_t max_cursor_bytes = 512;

base::Result<sessions::MessageQuery> message_query(const http::Request& request) {
    const base::Result<std::int64_t> limit = parse_limit(request.query("limit"));
    if (!limit) return std::unexpected(limit.error());
    base::Result<std::string> after = parse_place("after", request.query("after"));
    if (!after) return std::unexpected(after.error());
    base::Result<std::string> before = parse_place("before", request.query("before"));
    if (!before) return std::unexpected(before.error());
    return sessions::MessageQuery{.limit = *limit, .after = *std::move(after), .before = *std::move(before)};
}

}  // namespace

base::Result<std::int64_t> parse_limit(const std::optional<std::string>& given) {
    if (!given) return SessionHandlers::default_page;
    std::int64_t limit = 0;
    const char* end = given->data() + given->size();
    const auto [stop, error] = std::from_chars(given->data(), end, limit);
    if (error != std::errc() || stop != end || limit < 1 || limit > SessionHandlers::max_page)
        return base::fail(base::Errc::invalid_request,
                          fmt::format("'limit' must be a whole number from 1 to {}.", SessionHandlers::max_page));
    return limit;
}

base::Result<std::string> parse_place(std::string_view name, const std::optional<std::string>& given) {
    if (!given || given->empty()) return std::string();
    if (!is_place(*given))
        return base::fail(
            base::Errc::invalid_request,
            fmt::format("'{}' must be a message's timestamp, such as 2024-11-22T10:30:00.000000Z.", name));
    return *given;
}

async::Task<void> SessionHandlers::list(http::Request& request, http::ResponseWriter& writer) {
    const base::Result<std::int64_t> limit = parse_limit(request.query("limit"));
    if (!limit) {
        co_await writer.respond(error_response(limit.error(), {.request_id = request.id}));
        co_return;
    }
    std::string after = request.query("after").value_or("");
    if (after.size() > max_cursor_bytes) {
        const base::Error error{.code = base::Errc::invalid_request,
                                .message = "'after' must be the 'next' of a former page."};
        co_await writer.respond(error_response(error, {.request_id = request.id}));
        co_return;
    }
    const base::Result<sessions::SessionPage> page =
        co_await sessions_.sessions(std::string(sessions::local_owner), *limit, std::move(after));
    if (!page) {
        co_await writer.respond(error_response(page.error(), {.request_id = request.id}));
        co_return;
    }
    http::Response response = json_response(200, {});
    append_sessions(response.body, *page);
    co_await writer.respond(std::move(response));
}

async::Task<void> SessionHandlers::messages(http::Request& request, http::ResponseWriter& writer) {
    base::Result<sessions::MessageQuery> query = message_query(request);
    if (!query) {
        co_await writer.respond(error_response(query.error(), {.request_id = request.id}));
        co_return;
    }
    base::Result<sessions::SessionKey> key = session_key(request);
    if (!key) {
        co_await writer.respond(error_response(key.error(), {.request_id = request.id}));
        co_return;
    }
    const base::Result<sessions::SessionService::History> history =
        co_await sessions_.messages(*std::move(key), *std::move(query));
    if (!history) {
        co_await writer.respond(error_response(history.error(), {.request_id = request.id}));
        co_return;
    }
    http::Response response = json_response(200, {});
    append_history(response.body, *history);
    co_await writer.respond(std::move(response));
}

async::Task<void> SessionHandlers::remove(http::Request& request, http::ResponseWriter& writer) {
    base::Result<sessions::SessionKey> key = session_key(request);
    base::Result<void> removed;
    if (!key)
        removed = std::unexpected(key.error());
    else
        removed = co_await sessions_.remove(*std::move(key), base::Deadline(clock_.steady() + remove_limit));
    if (!removed)
        co_await writer.respond(error_response(removed.error(), {.request_id = request.id}));
    else
        co_await writer.respond(http::Response{.status = 204, .content_type = {}, .headers = {}, .body = {}});
}

}  // namespace tertulia::api
