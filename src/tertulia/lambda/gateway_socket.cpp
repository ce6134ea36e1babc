#include "tertulia/lambda/gateway_socket.h"

#include <utility>

namespace tertulia::lambda {
namespace {

using namespace std::chrono_literals;

// Throttling may last for a while.
constexpr int attempts = 6;
constexpr std::chrono::seconds post_limit = 30s;

}  // namespace

base::Result<std::shared_ptr<GatewaySocket>> GatewaySocket::make(Parts parts, SocketClient client, OnLost on_lost) {
    auto url = aws::connections_url(parts.environment, client.stage, parts.region);
    if (!url) return std::unexpected(url.error());
    aws::ServiceConfig config{.base_url = *std::move(url),
                              .region = parts.region,
                              .service = "execute-api",
                              .retry = {.attempts = attempts, .throttled_base = 250ms, .max = 5s},
                              .attempt_limit = 10s};
    return std::make_shared<GatewaySocket>(std::move(parts), std::move(client), std::move(on_lost), std::move(config));
}

GatewaySocket::GatewaySocket(Parts parts, SocketClient client, OnLost on_lost, aws::ServiceConfig config)
    : service_(parts.client, parts.credentials, parts.clock, parts.random, std::move(config)),
      connections_(service_),
      client_(std::move(client)),
      on_lost_(std::move(on_lost)) {}

async::Task<std::expected<std::string, http::Closed>> GatewaySocket::read(base::Deadline) {
    co_return std::unexpected(http::Closed{.code = http::CloseCode::normal});
}

async::Task<bool> GatewaySocket::write(std::string_view text) {
    std::string message(text);  // by the time its turn comes the caller's may have changed
    if (is_writing_) {
        const auto waiter = async::Waiter::make(co_await async::this_executor);
        waiting_.push_back(waiter);
        co_await waiter->wait(base::Deadline::never());
    }
    struct Writing {  // goes to the next one who waits
        GatewaySocket& socket;
        ~Writing() {
            socket.is_writing_ = !socket.waiting_.empty();
            if (!socket.is_writing_) return;
            socket.waiting_.front()->wake();
            socket.waiting_.pop_front();
        }
    } const writing{*this};
    is_writing_ = true;
    if (!is_open_) co_return false;
    const auto posted =
        co_await connections_.post(client_.connection_id, std::move(message), {}, base::Deadline::after(post_limit));
    if (posted) co_return true;
    is_open_ = false;
    on_lost_(posted.error(), aws::GatewayConnections::is_gone(posted.error()));
    co_return false;
}

}  // namespace tertulia::lambda
