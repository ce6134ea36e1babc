#include "tertulia/aws/gateway_connections.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tertulia/http/percent.h"

namespace tertulia::aws {
namespace {

bool is_made_of(std::string_view text, std::string_view others) {
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               others.find(c) != std::string_view::npos;
    });
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

std::string_view without_slash(std::string_view text) {
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
}

}  // namespace

base::Result<http::Url> connections_url(const base::Environment& environment, const GatewayStage& stage,
                                        std::string_view region) {
    if (!is_made_of(stage.stage, "_-$") || !is_made_of(stage.api_id, "") || !is_made_of(stage.domain, ".-"))
        return base::fail(base::Errc::invalid_request, "The event names no stage of an API.");
    const std::string_view own = base::variable(environment, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI");
    if (!own.empty())
        return http::parse_url(
            without_slash(replaced(replaced(std::string(own), "{api}", stage.api_id), "{stage}", stage.stage)));
    if (const std::string_view all = base::variable(environment, "AWS_ENDPOINT_URL"); !all.empty())
        return http::parse_url(fmt::format("{}/{}", without_slash(all), stage.stage));
    const bool is_amazons = stage.domain.ends_with(".amazonaws.com") || stage.domain.ends_with(".amazonaws.com.cn");
    if (is_amazons) return http::parse_url(fmt::format("https://{}/{}", stage.domain, stage.stage));
    return http::parse_url(fmt::format("https://{}.execute-api.{}.amazonaws.com{}/{}", stage.api_id, region,
                                       region.starts_with("cn-") ? std::string_view(".cn") : std::string_view(),
                                       stage.stage));
}

std::string connection_target(std::string_view connection_id) {
    return "/@connections/" + http::percent_encode(connection_id);
}

async::Task<std::expected<void, ServiceError>> GatewayConnections::post(std::string connection_id, std::string message,
                                                                        std::stop_token stop, base::Deadline deadline) {
    ServiceRequest request{.target = connection_target(connection_id), .body = std::move(message)};
    request.headers.add("Content-Type", "application/octet-stream");
    const ServiceResult answer = co_await client_.send(std::move(request), std::move(stop), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    co_return std::expected<void, ServiceError>();
}

async::Task<std::expected<void, ServiceError>> GatewayConnections::remove(std::string connection_id,
                                                                          std::stop_token stop,
                                                                          base::Deadline deadline) {
    const ServiceResult answer = co_await client_.send({.method = "DELETE", .target = connection_target(connection_id)},
                                                       std::move(stop), deadline);
    if (!answer && !is_gone(answer.error())) co_return std::unexpected(answer.error());
    co_return std::expected<void, ServiceError>();
}

}  // namespace tertulia::aws
