#include "tertulia/api/error_reply.h"

#include <fmt/format.h>

#include "tertulia/api/json_response.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
    out += out.back() == '{' ? "" : ",";
    base::append_json_name(out, name);
    base::append_json_string(out, value);
}

}  // namespace

void append_error(std::string& out, const base::Error& error, const ErrorContext& context) {
    const std::string_view title = error.title.empty() ? base::title(error.code) : std::string_view(error.title);
    out += '{';
    append_member(out, "error", title);
    // A message may quote what a provider said, and a provider may say anything.
    append_member(out, "message", error.message.empty() ? std::string(title) : base::valid_utf8(error.message));
    append_member(out, "code", base::to_string(error.code));
    append_member(out, "request_id", context.request_id);
    if (!context.session_id.empty()) append_member(out, "session_id", context.session_id);
    if (!context.turn_id.empty()) append_member(out, "turn_id", context.turn_id);
    if (error.retry_after)
        fmt::format_to(std::back_inserter(out), ",\"retry_after_ms\":{}", error.retry_after->count());
    out += '}';
}

http::Response error_response(const base::Error& error, const ErrorContext& context) {
    http::Response response = json_response(error.status ? error.status : base::http_status(error.code), {});
    append_error(response.body, error, context);
    if (error.retry_after) {
        response.headers.add("retry-after",
                             std::to_string(std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count()));
        response.headers.add("retry-after-ms", std::to_string(error.retry_after->count()));
    }
    return response;
}

base::Error turn_error(const sessions::TurnResult& result) {
    if (result.error) return *result.error;
    switch (result.state) {
        case sessions::TurnState::cancelled:
            return {.code = base::Errc::conflict, .message = "The turn was cancelled before its answer was whole."};
        case sessions::TurnState::interrupted:
            return {.code = base::Errc::unavailable,
                    .message = "The server stopped before the answer was whole; send the message again."};
        default:
            return {.code = base::Errc::internal, .message = "The turn failed; its request_id is in the server's log."};
    }
}

}  // namespace tertulia::api
