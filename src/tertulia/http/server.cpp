#include "tertulia/http/server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <ctime>

#include "tertulia/async/waiter.h"
#include "tertulia/http/connection.h"
#include "tertulia/http/server_core.h"

namespace tertulia::http {
namespace {

using base::Errc;

constexpr base::Milliseconds pause_without_descriptors{100};
// Beyond the limit this many more are let in for long enough to be told so; the rest are closed without a word.
constexpr std::size_t crowd = 256;

std::unexpected<base::Error> cannot_listen(const Tcp::endpoint& endpoint, const boost::system::error_code& error) {
    const std::string address = fmt::format("{}:{}", endpoint.address().to_string(), endpoint.port());
    if (error == boost::asio::error::address_in_use)
        return base::fail(Errc::conflict, fmt::format("{} is taken: another program listens there.", address));
    return base::fail(Errc::unavailable, fmt::format("Cannot listen on {}: {}.", address, error.message()));
}

}  // namespace

std::string_view ServerCore::date() {
    const std::int64_t second = options.clock->wall_us() / 1'000'000;
    if (second != date_second_) {
        const std::time_t time = second;
        std::tm parts;
        gmtime_r(&time, &parts);
        static constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        date_ = fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[parts.tm_wday], parts.tm_mday,
                            months[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
        date_second_ = second;
    }
    return date_;
}

base::Result<Tcp::endpoint> probe_listen(const std::string& host, std::uint16_t port) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
    if (error) return base::fail(Errc::invalid_request, fmt::format("\"{}\" is not an address to listen on.", host));
    const Tcp::endpoint endpoint(address, port);
    boost::asio::io_context context;
    boost::asio::basic_socket_acceptor<Tcp, async::Executor> acceptor(context);
    acceptor.open(endpoint.protocol(), error);
    // Without it a port whose connections have just ended would count as taken.
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(1, error);
    if (error) return cannot_listen(endpoint, error);
    return acceptor.local_endpoint();
}

class Server::Impl : public ServerCore, public std::enable_shared_from_this<Impl> {
  public:
    Impl(async::Executor executor_, async::TaskGroup& tasks_, const Router& router_, ServerOptions options_)
        : ServerCore(executor_, tasks_, router_, std::move(options_)),
          acceptor(executor_),
          pause(async::Waiter::make(executor_)) {}

    static async::Task<void> accept(std::shared_ptr<Impl> self) {
        while (!self->draining) {
            auto [error, socket] = co_await self->acceptor.async_accept(async::use_task);
            if (self->draining) co_return;
            if (error) {
                // No descriptors left, as a rule: the connections that are there go on, and some will end.
                co_await self->pause->wait(base::Deadline::after(pause_without_descriptors));
                continue;
            }
            const std::size_t count = self->connections.size();
            if (count >= self->options.max_connections + crowd) continue;
            socket.native_non_blocking(true, error);
            socket.set_option(Tcp::no_delay(true), error);
            self->tasks.spawn(Connection::run(std::make_shared<Connection>(self, std::move(socket)),
                                              count >= self->options.max_connections));
        }
    }

    boost::asio::basic_socket_acceptor<Tcp, async::Executor> acceptor;
    std::shared_ptr<async::Waiter> pause;
};

Server::Server(async::Executor executor, async::TaskGroup& tasks, const Router& router, ServerOptions options)
    : impl_(std::make_shared<Impl>(executor, tasks, router, std::move(options))) {}

Server::~Server() = default;

base::Result<void> Server::listen(const Tcp::endpoint& endpoint) {
    auto& acceptor = impl_->acceptor;
    boost::system::error_code error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) {
        const int on = 1;
        if (::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
            error.assign(errno, boost::system::system_category());
    }
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return cannot_listen(endpoint, error);
    impl_->tasks.spawn(Impl::accept(impl_));
    return {};
}

Tcp::endpoint Server::endpoint() const {
    boost::system::error_code error;
    return impl_->acceptor.local_endpoint(error);
}

void Server::stop_accepting() {
    impl_->draining = true;
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
    impl_->pause->wake();
    for (Connection* connection : impl_->connections) connection->stop();
}

void Server::close_connections() {
    for (Connection* connection : impl_->connections) connection->close();
}

std::size_t Server::connections() const {
    return impl_->connections.size();
}

}  // namespace tertulia::http
