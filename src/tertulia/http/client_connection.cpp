#include "tertulia/http/client_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

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

bool ClientConnection::end_wait(const boost::system::error_code& error) {
    deadline_.clear();
    return !stopped_ && !timed_out_ && !error;
}

std::unexpected<base::Error> ClientConnection::failed(const boost::system::error_code& error) const {
    if (stopped_) return stopped();
    if (timed_out_) return timed_out();
    if (!error) return broken();
    return base::fail(Errc::upstream_unavailable, error.message());
}

async::Task<base::Result<void>> ClientConnection::connect(Tcp::endpoint endpoint, base::Deadline deadline) {
    if (stopped_) co_return stopped();
    boost::system::error_code error;
    socket_.close(error);
    socket_.open(endpoint.protocol(), error);
    if (error) co_return failed(error);
    timed_out_ = false;
    deadline_.set(deadline);
    error = co_await socket_.async_connect(endpoint, async::use_task);
    if (!end_wait(error)) co_return failed(error);
    error = forget_writability(endpoint.protocol());
    if (!error) socket_.native_non_blocking(true, error);
    if (!error) socket_.set_option(Tcp::no_delay(true), error);
    if (error) co_return base::fail(Errc::upstream_unavailable, error.message());
    co_return base::Result<void>();
}

// Connecting has told Asio's reactor to report when the socket can be written, and it would go on to: every wait for
// bytes would be told so at once, in one more turn of the event loop. A socket that is new to it only reports what
// comes.
boost::system::error_code ClientConnection::forget_writability(const Tcp& protocol) {
    boost::system::error_code error;
    const int handle = socket_.release(error);
    if (error) return error;
    socket_.assign(protocol, handle, error);
    if (error) ::close(handle);
    return error;
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
        if (!io.wants_to_wait())
            co_return base::fail(Errc::upstream_unavailable,
                                 tls_->why().empty() ? std::string("the connection was closed") : tls_->why());
        const boost::system::error_code error = co_await begin_wait(io, deadline);
        if (!end_wait(error)) co_return failed(error);
    }
}

async::Task<base::Result<void>> ClientConnection::write(std::string_view bytes, base::Deadline deadline) {
    while (!bytes.empty()) {
        if (stopped_) co_return stopped();
        const IoResult io = tls_ ? tls_->write(bytes.data(), bytes.size())
                                 : send_some(socket_.native_handle(), bytes.data(), bytes.size());
        if (io.state == IoResult::State::done) {
            bytes.remove_prefix(io.bytes);
            continue;
        }
        if (!io.wants_to_wait()) co_return broken();
        const boost::system::error_code error = co_await begin_wait(io, deadline);
        if (!end_wait(error)) co_return failed(error);
    }
    co_return base::Result<void>();
}

async::Task<IoResult> ClientConnection::read(std::span<char> buffer, base::Deadline deadline) {
    // A plain socket is usually not readable yet; TLS may hold decoded bytes that no wait would tell of.
    IoResult io = tls_ ? try_read(buffer) : IoResult{IoResult::State::want_read};
    while (io.wants_to_wait() && !stopped_) {
        error_ = co_await begin_wait(io, deadline);
        if (!end_wait(error_)) co_return IoResult{IoResult::State::failed};
        io = try_read(buffer);
    }
    if (stopped_) co_return IoResult{IoResult::State::failed};
    co_return io;
}

IoResult ClientConnection::try_read(std::span<char> buffer) {
    return tls_ ? tls_->read(buffer.data(), buffer.size())
                : receive(socket_.native_handle(), buffer.data(), buffer.size());
}

bool ClientConnection::is_quiet() {
    if (!socket_.is_open() || stopped_ || timed_out_) return false;
    if (tls_) return tls_->is_quiet();
    char byte;
    return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tertulia::http
