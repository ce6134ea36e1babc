#include "tertulia/api/error_reply.h"

#include <fmt/format.h>

#include "tertulia/api/answer_json.h"
#include "tertulia/api/json_response.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/billing/money.h"

namespace tertulia::api {
namespace {

void append_member(std::string& out, std::string_view name, std::string_view value) {
    out += out.back() == '{' ? "" : ",";
    base::append_json_name(out, name);
    base::append_json_string(out, value);
}

void append_budget(std::string& out, const base::BudgetLeft& budget) {
    out += ",\"budget\":{";
    append_member(out, "left_usd", billing::format_usd(budget.left_nano));
    if (budget.renews_at_us)
        append_member(out, "renews_at", base::format_timestamp(*budget.renews_at_us));
    else
        out += ",\"renews_at\":null";
    out += '}';
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
    if (error.budget) append_budget(out, *error.budget);
    out += context.more;
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
    return result.error ? *result.error : sessions::error_of(result.state);
}

http::Response turn_error_response(const sessions::TurnResult& result, bool started, std::string_view request_id) {
    std::string more;
    append_turn_remains(more, result);
    ErrorContext context{.request_id = request_id, .more = more};
    if (started) {
        context.session_id = result.session_id;
        context.turn_id = result.turn_id;
    }
    http::Response response = error_response(turn_error(result), context);
    // The official SDKs try again on 409, but somebody has asked for this end.
    if (result.state == sessions::TurnState::cancelled) response.headers.add("x-should-retry", "false");
    return response;
}

}  // namespace tertulia::api
