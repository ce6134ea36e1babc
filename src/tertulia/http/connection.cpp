#include "tertulia/http/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "tertulia/http/exchange.h"
#include "tertulia/http/serving.h"
#include "tertulia/http/takeover.h"

namespace tertulia::http {
namespace {

using async::Task;

// How long, and for how many bytes, a client is listened to that has been told to go: closing with unread bytes would
// reset the connection, and the client would not see the answer.
constexpr base::Milliseconds linger_limit{2000};
constexpr std::size_t linger_bytes = 8 * 1024 * 1024;

base::SteadyTime now() {
    return std::chrono::steady_clock::now();
}

RequestLimits request_limits(const ServerOptions& options) {
    RequestLimits limits;
    limits.body = options.body_limit;
    return limits;
}

}  // namespace

Connection::Connection(std::shared_ptr<ServerCore> core, Socket socket)
    : core_(std::move(core)),
      socket_(std::move(socket)),
      parser_(request_limits(core_->options)),
      deadline_(core_->executor, [this] {
          timed_out_ = true;
          boost::system::error_code ignored;
          socket_.cancel(ignored);
      }) {
    core_->connections.insert(this);
}

Connection::~Connection() {
    core_->connections.erase(this);
}

void Connection::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

Task<void> Connection::run(std::shared_ptr<Connection> self, bool crowded) {
    co_await (crowded ? self->refuse_in_crowd() : self->serve());
    self->close();
}

Task<void> Connection::serve() {
    enter(Phase::idle);
    for (;;) {
        Next next = Next::more;
        if (!pending_.empty()) {
            const std::string held = std::exchange(pending_, {});
            next = co_await take(held);
        } else {
            if (!co_await wait_readable()) co_return;
            const IoResult io = receive(socket_.native_handle(), core_->scratch.data(), core_->scratch.size());
            if (io.state == IoResult::State::want_read) continue;
            if (io.state != IoResult::State::done) co_return;
            next = co_await take({core_->scratch.data(), io.bytes});
        }
        if (next == Next::end) co_return;
        if (next == Next::request && !co_await handle()) co_return;
    }
}

Task<bool> Connection::wait_readable() {
    idle_ = phase_ == Phase::idle;
    if (idle_ && core_->draining) co_return false;
    boost::system::error_code error;
    if (!timed_out_) error = co_await socket_.async_wait(Socket::wait_read, async::use_task);
    idle_ = false;
    if (timed_out_ && phase_ != Phase::idle && socket_.is_open()) co_await refuse_late();
    co_return !error && !timed_out_;
}

void Connection::enter(Phase phase) {
    phase_ = phase;
    const ServerOptions& options = core_->options;
    switch (phase) {
        case Phase::idle:
            deadline_.set(base::Deadline(now() + options.idle_limit));
            break;
        case Phase::head:
            began_at_ = now();
            deadline_.set(base::Deadline(began_at_ + options.head_limit));
            break;
        case Phase::body:
            deadline_.set(base::Deadline(now() + options.body_time_limit));
            break;
        case Phase::busy:
            deadline_.clear();
            break;
    }
}

// A large body has the usual time for each part of the usual size.
void Connection::give_time_for_more() {
    if (phase_ != Phase::body) return;
    const std::size_t part = parser_.request().body.size() / core_->options.body_limit;
    if (part > body_part_) enter(Phase::body);
    body_part_ = part;
}

Task<Connection::Next> Connection::take(std::string_view bytes) {
    auto step = advance(bytes);
    std::string held;
    if (step && *step == RequestParser::Step::head) {
        held = bytes;  // before anything is awaited: others use the scratch buffer too
        bytes = held;
        static constexpr std::array<std::string_view, 1> go_on{"HTTP/1.1 100 Continue\r\n\r\n"};
        if (!co_await send(go_on)) co_return Next::end;
        enter(Phase::body);
        step = advance(bytes);
    }
    if (!step) {
        enter(Phase::busy);
        co_await refuse(std::move(step.error()));
        co_return Next::end;
    }
    if (*step == RequestParser::Step::need_more) {
        give_time_for_more();
        co_return Next::more;
    }
    enter(Phase::busy);
    pending_ = std::string(bytes);  // more may be added meanwhile (look_for_close)
    co_return Next::request;
}

// Feeds the parser. Step::head: the client waits to be told that it may send the body.
base::Result<RequestParser::Step> Connection::advance(std::string_view& bytes) {
    for (;;) {
        if (phase_ == Phase::idle && !bytes.empty()) began_at_ = now();
        auto step = parser_.feed(bytes);
        if (!step) return step;
        if (*step == RequestParser::Step::need_more && parser_.has_begun() && phase_ == Phase::idle) enter(Phase::head);
        if (*step != RequestParser::Step::head) return step;
        enter(Phase::body);
        if (auto admitted = admit(core_->options, parser_.request()); !admitted)
            return std::unexpected(std::move(admitted.error()));
        if (core_->options.gate_body && (parser_.is_chunked() || !parser_.check_length()))
            parser_.request().body_gate = core_->options.gate_body(parser_.request());
        if (auto fits = parser_.check_length(); !fits) return std::unexpected(std::move(fits.error()));
        if (parser_.expects_continue()) return step;
    }
}

Task<bool> Connection::handle() {
    Request& request = parser_.request();
    request.is_http_1_0 = parser_.is_http_1_0();
    Exchange exchange(*this, &request, parser_.keep_alive(), parser_.is_http_1_0());
    const bool is_well = co_await http::serve(core_->router, core_->options, request, exchange);
    if (const auto takeover = std::exchange(takeover_, nullptr)) {
        co_await takeover->finish(!is_well);
        co_await linger();
        co_return false;
    }
    if (exchange.status() != 101) report(request, exchange);  // else take_over has
    parser_.next();
    enter(Phase::idle);
    co_return exchange.is_complete() && exchange.keep_alive();
}

void Connection::report(const Request& request, const Exchange& exchange) {
    if (!core_->options.on_answered) return;
    core_->options.on_answered(request,
                               {.status = exchange.status(),
                                .body_bytes = exchange.body_bytes(),
                                .duration = std::chrono::duration_cast<std::chrono::microseconds>(now() - began_at_),
                                .complete = exchange.is_complete()});
}

void Connection::set_takeover(std::shared_ptr<Takeover> takeover) {
    takeover_ = std::move(takeover);
    if (core_->draining) takeover_->stop();
}

void Connection::stop() {
    if (idle_) close();
    if (takeover_) takeover_->stop();
}

void Connection::watch_close(std::function<void()> closed) {
    if (close_watch_) {
        // The wait under way ends unheard. Writes are not under way: they are the handler's own.
        close_watch_->closed = nullptr;
        close_watch_.reset();
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    }
    if (!closed || takeover_) return;
    close_watch_ = std::make_shared<CloseWatch>(std::move(closed));
    look_for_close(close_watch_);
}

// The end of a connection stands behind the bytes of the requests that follow, so these are taken out of the way. They
// are bounded, and each byte wakes this once only: no spinning on what nobody reads.
void Connection::look_for_close(std::shared_ptr<CloseWatch> watch) {
    socket_.async_wait(Socket::wait_read, [this, watch](boost::system::error_code error) {
        if (!watch->closed) return;  // `this` may be gone
        if (!error) {
            const IoResult io = receive(socket_.native_handle(), core_->scratch.data(), core_->scratch.size());
            if (io.state == IoResult::State::done) pending_.append(core_->scratch.data(), io.bytes);
            if (io.state == IoResult::State::done || io.state == IoResult::State::want_read) {
                if (pending_.size() <= close_watch_bytes) look_for_close(watch);
                return;
            }
        }
        std::exchange(watch->closed, nullptr)();
    });
}

// Answers what cannot be served, and takes leave.
Task<void> Connection::refuse(base::Error error) {
    timed_out_ = false;
    Request* const request = parser_.request().method.empty() ? nullptr : &parser_.request();
    if (request && request->id.empty()) request->id = base::make_id('r', *core_->options.random);
    Exchange exchange(*this, request, false, false);
    if (!co_await exchange.respond(core_->options.on_error(error, request))) co_return;
    if (request) report(*request, exchange);
    co_await linger();
}

Task<void> Connection::refuse_in_crowd() {
    return refuse({.code = base::Errc::unavailable, .message = "There are too many connections. Try again."});
}

Task<void> Connection::refuse_late() {
    return refuse({.code = base::Errc::timed_out, .message = "The request did not come in time.", .status = 408});
}

Task<void> Connection::linger() {
    boost::system::error_code error;
    socket_.shutdown(Socket::shutdown_send, error);
    phase_ = Phase::idle;  // a deadline that passes is the end, without an answer
    deadline_.set(base::Deadline(now() + linger_limit));
    for (std::size_t count = 0; count < linger_bytes && !error;) {
        error = co_await socket_.async_wait(Socket::wait_read, async::use_task);
        if (error || timed_out_ || !socket_.is_open()) co_return;
        const IoResult io = receive(socket_.native_handle(), core_->scratch.data(), core_->scratch.size());
        if (io.state == IoResult::State::want_read) continue;
        if (io.state != IoResult::State::done) co_return;
        count += io.bytes;
    }
}

Task<bool> Connection::send(std::span<const std::string_view> parts) {
    std::array<iovec, 4> vectors;
    std::size_t count = 0;
    for (const std::string_view part : parts)
        if (!part.empty()) vectors[count++] = {const_cast<char*>(part.data()), part.size()};
    iovec* first = vectors.data();
    while (count > 0) {
        msghdr message{};
        message.msg_iov = first;
        message.msg_iovlen = count;
        ssize_t sent = socket_.is_open() ? ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL) : -1;
        if (sent < 0) {
            if (!socket_.is_open()) co_return false;
            if (errno == EINTR) continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK) co_return false;
            timed_out_ = false;
            deadline_.set(base::Deadline(now() + core_->options.write_limit));
            const boost::system::error_code error = co_await socket_.async_wait(Socket::wait_write, async::use_task);
            deadline_.clear();
            if (error || timed_out_) co_return false;
            continue;
        }
        for (; count > 0 && static_cast<std::size_t>(sent) >= first->iov_len; --count)
            sent -= static_cast<ssize_t>((first++)->iov_len);
        if (count > 0) {
            first->iov_base = static_cast<char*>(first->iov_base) + sent;
            first->iov_len -= static_cast<std::size_t>(sent);
        }
    }
    co_return true;
}

}  // namespace tertulia::http
