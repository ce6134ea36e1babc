// A client's WebSocket that API Gateway holds.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tertulia/async/waiter.h"
#include "tertulia/aws/gateway_connections.h"
#include "tertulia/aws/service_client.h"
#include "tertulia/http/websocket.h"
#include "tertulia/lambda/socket_event.h"

namespace tertulia::lambda {

/// Writes by posting, one message after the other in their order; what the client says comes in events, not from here.
/// Once it has left, or cannot be reached, it is closed. One per worker.
class GatewaySocket final : public http::WebSocket {
  public:
    /// What AWS is asked with. Value; what it refers to outlives the socket.
    struct Parts {
        http::Client& client;
        aws::CredentialCache& credentials;
        const base::Environment& environment;
        const base::Clock& clock;
        base::Random& random;
        std::string region;
    };
    /// `on_lost`: why a message could not be sent, at most once; `is_gone` where that is since the client has left.
    using OnLost = std::function<void(const aws::ServiceError& error, bool is_gone)>;

    /// invalid_request: the client's stage is none.
    static base::Result<std::shared_ptr<GatewaySocket>> make(Parts parts, SocketClient client, OnLost on_lost);

    async::Task<std::expected<std::string, http::Closed>> read(base::Deadline deadline) override;
    async::Task<bool> write(std::string_view text) override;
    void close(http::CloseCode code, std::string_view reason) override { is_open_ = false; }
    bool is_open() const override { return is_open_; }

    GatewaySocket(Parts parts, SocketClient client, OnLost on_lost, aws::ServiceConfig config);

  private:
    aws::ServiceClient service_;
    aws::GatewayConnections connections_;
    const SocketClient client_;
    const OnLost on_lost_;
    bool is_open_ = true;
    bool is_writing_ = false;
    std::deque<std::shared_ptr<async::Waiter>> waiting_;
};

}  // namespace tertulia::lambda
