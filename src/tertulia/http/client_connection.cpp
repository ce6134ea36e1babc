#include "tertulia/http/client_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

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

void ClientConnection::abort() {
    stopped_ = true;
    socket_.close();
}

std::unexpected<base::Error> ClientConnection::broken() const {
    if (stopped_) return stopped();
    if (socket_.has_timed_out()) return timed_out();
    return base::fail(Errc::upstream_unavailable,
                      fmt::format("The connection broke: {}.",
                                  tls_ && !tls_->why().empty() ? tls_->why() : "closed by the other side"));
}

std::unexpected<base::Error> ClientConnection::failed(int error) const {
    if (is_over()) return broken();
    return base::fail(Errc::upstream_unavailable, std::generic_category().message(error));
}

async::Task<base::Result<void>> ClientConnection::connect(Tcp::endpoint endpoint, base::Deadline deadline) {
    if (stopped_) co_return stopped();
    const int descriptor = begin_connect(endpoint);
    if (descriptor < 0) co_return failed(errno);
    // Only now: epoll takes a socket that does not connect yet for one that has ended.
    if (const int error = socket_.open(descriptor); error != 0) co_return failed(error);
    co_await socket_.writable(deadline);
    if (is_over()) co_return broken();
    if (const int error = pending_error(socket_.descriptor()); error != 0) co_return failed(error);
    co_return base::Result<void>();
}

async::Task<base::Result<void>> ClientConnection::start_tls(const TlsContext& context, std::string host,
                                                            base::Deadline deadline) {
    if (stopped_) co_return stopped();
    auto session = TlsSession::make(context, host, socket_.descriptor());
    if (!session) co_return std::unexpected(std::move(session.error()));
    tls_ = std::move(*session);
    for (;;) {
        const IoResult io = tls_->handshake();
        if (io.state == IoResult::State::done) co_return base::Result<void>();
        if (!io.wants_to_wait())
            co_return base::fail(Errc::upstream_unavailable,
                                 tls_->why().empty() ? std::string("the connection was closed") : tls_->why());
        note(io);
        co_await ready(deadline);
        if (is_over()) co_return broken();
    }
}

async::Task<base::Result<void>> ClientConnection::write(std::string_view bytes, base::Deadline deadline) {
    while (!bytes.empty()) {
        if (stopped_) co_return stopped();
        const IoResult io = tls_ ? tls_->write(bytes.data(), bytes.size())
                                 : send_some(socket_.descriptor(), bytes.data(), bytes.size());
        if (io.state == IoResult::State::done) {
            bytes.remove_prefix(io.bytes);
            continue;
        }
        if (!io.wants_to_wait()) co_return broken();
        note(io);
        co_await ready(deadline);
        if (is_over()) co_return broken();
    }
    co_return base::Result<void>();
}

IoResult ClientConnection::read(std::span<char> buffer) {
    if (is_over()) return {IoResult::State::failed};
    IoResult io{IoResult::State::want_read};
    if (tls_)
        io = tls_->read(buffer.data(), buffer.size());  // may hold decoded bytes that no wait would tell of
    else if (socket_.may_be_read())
        io = receive(socket_.descriptor(), buffer.data(), buffer.size());
    note(io);
    // Fewer than there was room for are all that there was (epoll(7)); what has come since is told again.
    if (!tls_ && io.bytes < buffer.size()) socket_.was_emptied();
    return io;
}

// What a read or write came to says what is to be waited for.
void ClientConnection::note(IoResult io) {
    waits_to_write_ = io.state == IoResult::State::want_write;
    if (io.state == IoResult::State::want_read) socket_.was_emptied();
}

bool ClientConnection::is_quiet() {
    if (!socket_.is_open() || is_over()) return false;
    if (tls_) return tls_->is_quiet();
    char byte;
    return ::recv(socket_.descriptor(), &byte, 1, MSG_PEEK) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace tertulia::http
