#include "tertulia/api/health_handlers.h"

#include <string>

#include "tertulia/api/error_reply.h"
#include "tertulia/api/json_response.h"
#include "tertulia/api/openapi.h"
#include "tertulia/base/json.h"

namespace tertulia::api {

async::Task<void> HealthHandlers::healthz(http::Request&, http::ResponseWriter& writer) {
    co_await writer.respond(json_response(200, R"({"status":"ok"})"));
}

async::Task<void> HealthHandlers::readyz(http::Request& request, http::ResponseWriter& writer) {
    const std::string waiting_for = readiness_.waiting_for();
    if (waiting_for.empty()) {
        co_await writer.respond(json_response(200, R"({"status":"ready"})"));
        co_return;
    }
    const base::Error error{.code = base::Errc::unavailable,
                            .message = "The server is starting: " + waiting_for + ".",
                            .title = "Starting",
                            .retry_after = std::chrono::milliseconds(1000)};
    http::Response response = error_response(error, {.request_id = request.id});
    response.body.pop_back();
    response.body += R"(,"status":"starting","waiting_for":)";
    base::append_json_string(response.body, waiting_for);
    response.body += '}';
    co_await writer.respond(std::move(response));
}

async::Task<void> HealthHandlers::metrics(http::Request&, http::ResponseWriter& writer) {
    co_await writer.respond(http::Response{.status = 200,
                                           .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                           .headers = {},
                                           .body = metrics_.render()});
}

async::Task<void> HealthHandlers::openapi(http::Request&, http::ResponseWriter& writer) {
    co_await writer.respond(json_response(200, std::string(openapi_json)));
}

}  // namespace tertulia::api
