#include "tertulia/http/client.h"

#include "tertulia/http/client_core.h"
#include "tertulia/http/outgoing_request.h"
#include "tertulia/http/pooled_response.h"
#include "tertulia/http/pooled_upload.h"

namespace tertulia::http {

class Client::Impl final : public ClientCore {
    using ClientCore::ClientCore;
};

async::Task<base::Result<std::string_view>> ClientResponse::read(base::Deadline deadline) {
    for (;;) {
        if (auto bytes = try_read()) co_return std::move(*bytes);
        co_await ready(deadline);
    }
}

Client::Client(async::Executor executor, ClientOptions options)
    : impl_(std::make_shared<Impl>(executor, std::move(options))) {}

Client::~Client() {
    impl_->close_idle();
}

async::Task<base::Result<std::unique_ptr<ClientResponse>>> Client::send(ClientRequest request, std::stop_token stop,
                                                                        base::Deadline deadline) {
    const auto core = impl_;
    const auto text = render(request);
    if (!text) co_return std::unexpected(text.error());
    if (stop.stop_requested()) co_return stopped();
    const auto flight = std::make_shared<Flight>(core->executor());
    std::optional<StopCallback> connecting(std::in_place, stop, Stopper{core->executor(), flight});
    for (bool fresh = false;; fresh = true) {
        auto lease = co_await core->acquire(request.url, request.connect_limit, fresh, *flight, deadline);
        if (!lease) co_return std::unexpected(std::move(lease.error()));
        const bool reused = lease->reused;
        auto response =
            std::make_unique<PooledResponse>(core, flight, stop, std::move(*lease), request.method == "HEAD");
        bool began = false;
        auto exchanged = co_await response->exchange(*text, deadline, began);
        if (exchanged) co_return std::unique_ptr<ClientResponse>(std::move(response));
        const bool stale = reused && !began && exchanged.error().code == base::Errc::upstream_unavailable;
        if (!stale) co_return std::unexpected(std::move(exchanged.error()));
    }
}

async::Task<base::Result<std::unique_ptr<ClientUpload>>> Client::upload(ClientRequest request, std::stop_token stop,
                                                                        base::Deadline deadline) {
    const auto core = impl_;
    const auto text = render_upload(request);
    if (!text) co_return std::unexpected(text.error());
    if (stop.stop_requested()) co_return stopped();
    const auto flight = std::make_shared<Flight>(core->executor());
    std::optional<StopCallback> connecting(std::in_place, stop, Stopper{core->executor(), flight});
    auto lease = co_await core->acquire(request.url, request.connect_limit, true, *flight, deadline);
    if (!lease) co_return std::unexpected(std::move(lease.error()));
    auto response = std::make_unique<PooledResponse>(core, flight, stop, std::move(*lease), false);
    response->use_once();
    if (auto sent = co_await response->write(*text, deadline); !sent) co_return std::unexpected(sent.error());
    co_return std::make_unique<PooledUpload>(std::move(response));
}

std::size_t Client::idle_connections() const {
    return impl_->idle_connections();
}
void Client::close_idle() {
    impl_->close_idle();
}

}  // namespace tertulia::http
