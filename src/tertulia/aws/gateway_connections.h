// WebSockets that API Gateway holds: its `@connections` API.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/aws/service_client.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"

namespace tertulia::aws {

/// The most bytes of one message to a client, and of one frame: API Gateway cuts no message into frames by itself, and
/// closes a connection that is sent a longer one (1009).
inline constexpr std::size_t gateway_message_limit = 128 * 1024;
inline constexpr std::size_t gateway_frame_limit = 32 * 1024;

/// Which API's stage a connection belongs to, as its events say. Value.
struct GatewayStage {
    std::string domain;
    std::string api_id;
    std::string stage;
    bool operator==(const GatewayStage&) const = default;
};

/// Where its connections are posted to, without `/@connections/ID`: AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI with
/// `{api}` and `{stage}` replaced, else AWS_ENDPOINT_URL with `/STAGE`, else the stage at its domain. A domain of the
/// owner's own may lead past the stage, so the API's own domain in `region` stands for it. invalid_request: a part that
/// cannot be one, or no address. Pure.
base::Result<http::Url> connections_url(const base::Environment& environment, const GatewayStage& stage,
                                        std::string_view region);

/// `/@connections/ID`. Pure.
std::string connection_target(std::string_view connection_id);

/// Sends messages to clients. What fails has a ServiceError; `is_gone` tells whether the client has left. One per
/// worker.
class GatewayConnections {
  public:
    /// `client`, of the service "execute-api" at `connections_url`, outlives it.
    explicit GatewayConnections(ServiceClient& client) : client_(client) {}

    /// One message, as the client gets it. Throttling (429) is waited out; where it is not known whether a message went
    /// out it is sent again, since a gap would be worse.
    async::Task<std::expected<void, ServiceError>> post(std::string connection_id, std::string message,
                                                        std::stop_token stop, base::Deadline deadline);
    /// Closes it.
    async::Task<std::expected<void, ServiceError>> remove(std::string connection_id, std::stop_token stop,
                                                          base::Deadline deadline);

    static bool is_gone(const ServiceError& error) { return error.status == 410; }

  private:
    ServiceClient& client_;
};

}  // namespace tertulia::aws
