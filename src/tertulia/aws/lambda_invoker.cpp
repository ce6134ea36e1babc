#include "tertulia/aws/lambda_invoker.h"

#include <fmt/format.h>

#include <utility>

#include "tertulia/http/percent.h"

namespace tertulia::aws {

ServiceRequest invoke_request(std::string_view function, std::string payload, std::string_view trace_id) {
    ServiceRequest request{
        .target = fmt::format("/2015-03-31/functions/{}/invocations", http::percent_encode(function)),
        .body = std::move(payload)};
    request.headers.add("Content-Type", "application/json");
    request.headers.add("X-Amz-Invocation-Type", "Event");
    if (!trace_id.empty()) request.headers.add("X-Amzn-Trace-Id", std::string(trace_id));
    return request;
}

async::Task<std::expected<void, ServiceError>> LambdaInvoker::invoke(std::string function, std::string payload,
                                                                     std::string trace_id, std::stop_token stop,
                                                                     base::Deadline deadline) {
    const ServiceResult answer =
        co_await client_.send(invoke_request(function, std::move(payload), trace_id), std::move(stop), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    co_return std::expected<void, ServiceError>();
}

}  // namespace tertulia::aws
