#include "tertulia/http/client_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

namespace tertulia::http {
namespace {

using base::Errc;

std::unexpected<base::Error> stopped() {
    return base::fail(Errc::unavailable, "stopped");
}
std::unexpected<base::Error> timed_out() {
    return base::fail(Errc::timed_out, "It took too long.");
}

}  // namespace

ClientConnection::ClientConnection(async::Executor executor, async::Sweeper& sweeper)
    : socket_(executor), deadline_(sweeper, [this] {
          timed_out_ = true;
          close();
      }) {}

void ClientConnection::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

void ClientConnection::abort() {
    stopped_ = true;
    close();
}

std::unexpected<base::Error> ClientConnection::broken() const {
    return base::fail(Errc::upstream_unavailable,
                      fmt::format("The connection broke: {}.",
                                  tls_ && !tls_->why().empty() ? tls_->why() : "closed by the other side"));
}

async::Task<base::Result<void>> ClientConnection::wait(Socket::wait_type what, base::Deadline deadline) {
    if (stopped_) co_return stopped();
    deadline_.set(deadline);
    const boost::system::error_code error = co_await socket_.async_wait(what, async::use_task);
    deadline_.clear();
    if (stopped_) co_return stopped();
    if (timed_out_) co_return timed_out();
    if (error) co_return base::fail(Errc::upstream_unavailable, error.message());
    co_return base::Result<void>();
}

async::Task<base::Result<void>> ClientConnection::connect(Tcp::endpoint endpoint, base::Deadline deadline) {
    if (stopped_) co_return stopped();
    boost::system::error_code error;
    socket_.close(error);
    socket_.open(endpoint.protocol(), error);
    if (error) co_return base::fail(Errc::upstream_unavailable, error.message());
    timed_out_ = false;
    deadline_.set(deadline);
    error = co_await socket_.async_connect(endpoint, async::use_task);
    deadline_.clear();
    if (stopped_) co_return stopped();
    if (timed_out_) co_return timed_out();
    if (!error) socket_.native_non_blocking(true, error);
    if (!error) socket_.set_option(Tcp::no_delay(true), error);
    if (error) co_return base::fail(Errc::upstream_unavailable, error.message());
    co_return base::Result<void>();
}

async::Task<base::Result<void>> ClientConnection::start_tls(const TlsContext& context, std::string host,
                                                            base::Deadline deadline) {
    if (stopped_) co_return stopped();
    auto session = TlsSession::make(context, host, socket_.native_handle());
    if (!session) co_return std::unexpected(std::move(session.error()));
    tls_ = std::move(*session);
    for (;;) {
        const IoResult io = tls_->handshake();
        if (io.state == IoResult::State::done) co_return base::Result<void>();
        if (io.state != IoResult::State::want_read && io.state != IoResult::State::want_write)
            co_return base::fail(Errc::upstream_unavailable,
                                 tls_->why().empty() ? std::string("the connection was closed") : tls_->why());
        const auto what = io.state == IoResult::State::want_read ? Socket::wait_read : Socket::wait_write;
        if (auto ready = co_await wait(what, deadline); !ready) co_return ready;
    }
}

async::Task<base::Result<void>> ClientConnection::write(std::string_view bytes, base::Deadline deadline) {
    while (!bytes.empty()) {
        if (stopped_) co_return stopped();
        const IoResult io = tls_ ? tls_->write(bytes.data(), bytes.size())
                                 : send_some(socket_.native_handle(), bytes.data(), bytes.size());
        switch (io.state) {
            case IoResult::State::done:
                bytes.remove_prefix(io.bytes);
                break;
            case IoResult::State::want_read:
            case IoResult::State::want_write: {
                const auto what = io.state == IoResult::State::want_read ? Socket::wait_read : Socket::wait_write;
                if (auto ready = co_await wait(what, deadline); !ready) co_return ready;
                break;
            }
            case IoResult::State::closed:
            case IoResult::State::failed:
                co_return broken();
        }
    }
    co_return base::Result<void>();
}

async::Task<base::Result<std::size_t>> ClientConnection::read(std::span<char> buffer, base::Deadline deadline) {
    // A plain socket is usually not readable yet; TLS may hold decoded bytes that no wait would tell of.
    if (!tls_) {
        if (auto ready = co_await wait(Socket::wait_read, deadline); !ready)
            co_return std::unexpected(std::move(ready.error()));
    }
    for (;;) {
        if (stopped_) co_return stopped();
        const IoResult io = tls_ ? tls_->read(buffer.data(), buffer.size())
                                 : receive(socket_.native_handle(), buffer.data(), buffer.size());
        switch (io.state) {
            case IoResult::State::done:
                co_return io.bytes;
            case IoResult::State::closed:
                co_return std::size_t(0);
            case IoResult::State::failed:
                co_return broken();
            case IoResult::State::want_read:
            case IoResult::State::want_write: {
                const auto what = io.state == IoResult::State::want_read ? Socket::wait_read : Socket::wait_write;
                if (auto ready = co_await wait(what, deadline); !ready)
                    co_return std::unexpected(std::move(ready.error()));
                break;
            }
        }
    }
}

bool ClientConnection::is_quiet() {
    if (!socket_.is_open() || stopped_ || timed_out_) return false;
    if (tls_) return tls_->is_quiet();
    char byte;
    return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tertulia::http
