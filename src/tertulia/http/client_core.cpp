#include "tertulia/http/client_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

namespace tertulia::http {
namespace {

using async::Task;
using base::Errc;

constexpr std::size_t read_size = 64 * 1024;

base::SteadyTime now() {
    return std::chrono::steady_clock::now();
}

}  // namespace

void Flight::stop() {
    stopped = true;
    waiter->wake();
    if (connection) connection->abort();
}

void Stopper::operator()() const {
    boost::asio::post(executor, [weak = flight] {
        if (const auto there = weak.lock()) there->stop();
    });
}

ClientCore::Lease::Lease(std::shared_ptr<ClientCore> core, std::string host,
                         std::unique_ptr<ClientConnection> connection, Flight& flight)
    : core_(std::move(core)), host_(std::move(host)), connection_(std::move(connection)), flight_(&flight) {
    flight_->connection = connection_.get();
}

ClientCore::Lease::~Lease() {
    if (!connection_) return;
    flight_->connection = nullptr;
    connection_.reset();
    core_->pool_.closed(host_);
}

void ClientCore::Lease::give_back() {
    flight_->connection = nullptr;
    core_->pool_.give_back(host_, std::move(connection_), now(), base::system_clock().wall_us());
    core_->idle_until_ = std::min(core_->idle_until_, now() + core_->options_.idle_limit);
    core_->idle_deadline_.set(base::Deadline(core_->idle_until_));
}

ClientCore::ClientCore(async::Executor executor, ClientOptions options)
    : executor_(executor),
      options_(std::move(options)),
      pool_(options_.connections_per_host, options_.idle_limit),
      resolver_(executor),
      idle_deadline_(executor,
                     [this] {
                         // Not here: expiring destroys deadlines.
                         boost::asio::post(executor_, [weak = weak_from_this()] {
                             if (const auto self = weak.lock()) self->expire();
                         });
                     }),
      scratch_(read_size) {}

Task<base::Result<ClientCore::Lease>> ClientCore::acquire(const Url& url, base::Milliseconds connect_limit, bool fresh,
                                                          Flight& flight, base::Deadline deadline) {
    std::string host(url.scheme());
    host.append("://").append(url.host).append(":").append(std::to_string(url.port));
    for (;;) {
        if (!fresh) {
            if (auto idle = pool_.take_idle(host, now(), base::system_clock().wall_us())) {
                Lease lease(shared_from_this(), host, std::move(idle), flight);
                lease.reused = true;
                co_return lease;
            }
        }
        if (pool_.open_one(host)) break;
        pool_.wait(host, flight.waiter);
        co_await flight.waiter->wait(deadline);
        const bool gives_up = flight.stopped || deadline.passed(now());
        pool_.stop_waiting(host, flight.waiter, gives_up);
        if (flight.stopped) co_return stopped();
        if (gives_up)
            co_return base::fail(Errc::timed_out,
                                 fmt::format("No connection to {} became free in time.", url.authority()));
    }
    Lease lease(shared_from_this(), host, std::make_unique<ClientConnection>(executor_), flight);
    auto connected = co_await connect(*lease, url, flight, deadline.earlier(base::Deadline(now() + connect_limit)));
    if (connected) co_return lease;
    base::Error error = std::move(connected.error());
    if (flight.stopped) co_return stopped();
    error.title = cannot_connect;
    if (error.code == Errc::timed_out)
        error.message = fmt::format("{} could not be connected to in time: {}", url.authority(), error.message);
    else if (error.code == Errc::upstream_unavailable)
        error.message = fmt::format("{} cannot be connected to: {}", url.authority(), error.message);
    co_return std::unexpected(std::move(error));
}

Task<base::Result<void>> ClientCore::connect(ClientConnection& connection, const Url& url, Flight& flight,
                                             base::Deadline deadline) {
    auto addresses = co_await resolver_.resolve(url.host, flight.waiter, flight.stopped, deadline);
    if (!addresses) co_return std::unexpected(std::move(addresses.error()));
    base::Result<void> connected;
    for (std::size_t i = 0; i < addresses->size(); ++i) {
        // One that does not answer leaves time for those after it.
        const auto left = deadline.at() - now();
        const auto share = left / static_cast<int>(addresses->size() - i);
        connected = co_await connection.connect({(*addresses)[i], url.port}, base::Deadline(now() + share));
        if (connected || flight.stopped) break;
    }
    if (!connected || !url.tls) co_return connected;
    if (!tls_) {
        auto made = TlsContext::make(options_.ca_file);
        if (!made) co_return std::unexpected(std::move(made.error()));
        tls_.emplace(std::move(*made));
    }
    co_return co_await connection.start_tls(*tls_, url.host, deadline);
}

void ClientCore::close_idle() {
    pool_.close_idle();
    expire();
}

void ClientCore::expire() {
    idle_until_ = pool_.expire(now());
    idle_deadline_.set(base::Deadline(idle_until_));
}

}  // namespace tertulia::http
