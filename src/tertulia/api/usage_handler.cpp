#include "tertulia/api/usage_handler.h"

#include <fmt/format.h>

#include "tertulia/api/error_reply.h"
#include "tertulia/api/json_response.h"
#include "tertulia/api/usage_request.h"

namespace tertulia::api {

async::Task<void> UsageHandler::usage(http::Request& request, http::ResponseWriter& writer) {
    auto asked = parse_usage_request(request);
    if (!asked) {
        co_await writer.respond(error_response(asked.error(), {.request_id = request.id}));
        co_return;
    }
    asked->query.owner = sessions::local_owner;
    base::Result<sessions::UsageReport> report = co_await sessions_.usage(asked->query);
    if (report && report->more)
        report =
            base::fail(base::Errc::invalid_request,
                       fmt::format("This would be more than {} rows; narrow 'from' and 'to', or leave a group out.",
                                   asked->query.max_rows));
    if (!report) {
        co_await writer.respond(error_response(report.error(), {.request_id = request.id}));
        co_return;
    }
    http::Response response = json_response(200, {});
    if (asked->as_csv) {
        response.content_type = "text/csv; charset=utf-8";
        response.body = usage_csv(*report, asked->query.group_by);
    } else {
        response.body = usage_json(*report, asked->query.group_by);
    }
    co_await writer.respond(std::move(response));
}

}  // namespace tertulia::api
