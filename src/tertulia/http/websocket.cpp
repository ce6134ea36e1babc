#include "tertulia/http/websocket.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <optional>
#include <stdexcept>

#include "tertulia/async/waiter.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/connection.h"
#include "tertulia/http/takeover.h"
#include "tertulia/http/websocket_handshake.h"
#include "tertulia/http/websocket_wire.h"

namespace tertulia::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using async::Task;
using async::Waiter;
using beast::websocket::error;
using Stream = beast::websocket::stream<WebSocketWire, false>;  // false: without permessage-deflate

// Messages that wait to be read, and their bytes; from there on the client is not listened to (nor are pings answered).
constexpr std::size_t queue_limit = 16, queue_bytes_limit = 64 * 1024;
// What a socket that waits holds for its next message, and by how much at once a larger one may grow ahead of its
// bytes.
constexpr std::size_t first_read = 512, largest_read = 64 * 1024;
constexpr std::size_t reason_limit = 123;

base::SteadyTime now() {
    return std::chrono::steady_clock::now();
}

class BeastWebSocket final : public WebSocket, public Takeover, public std::enable_shared_from_this<BeastWebSocket> {
  public:
    BeastWebSocket(Connection& connection, WebSocketOptions options)
        : connection_(connection),
          options_(std::move(options)),
          executor_(connection.core().executor),
          limit_(std::in_place, executor_, options_.write_limit, [this] { drop(); }),
          keepalive_(std::in_place, executor_, [this] { keep_alive(); }),
          stream_(connection.socket(), connection.take_pending(), *limit_),
          readable_(Waiter::make(executor_)),
          room_(Waiter::make(executor_)),
          idle_(Waiter::make(executor_)) {}

    void start();

    Task<std::expected<std::string, Closed>> read(base::Deadline deadline) override;
    Task<bool> write(std::string_view text) override;
    void close(CloseCode code, std::string_view reason) override;
    bool is_open() const override { return !closed_; }

    void on_stop(std::function<void()> stopped) override { stopped_ = std::move(stopped); }
    void stop() override {
        if (const auto stopped = std::exchange(stopped_, nullptr)) return stopped();
        close(CloseCode::going_away, "The server stops.");
    }
    Task<void> finish(bool bug) override;

  private:
    // Keeps this alive, and the connection waiting, while Beast works.
    class Operation {
      public:
        explicit Operation(std::shared_ptr<BeastWebSocket> socket) : socket_(std::move(socket)) {
            ++socket_->operations_;
        }
        Operation(Operation&&) noexcept = default;
        ~Operation() {
            if (socket_ && --socket_->operations_ == 0) socket_->idle_->wake();
        }

      private:
        std::shared_ptr<BeastWebSocket> socket_;
    };

    static Task<void> receive(std::shared_ptr<BeastWebSocket> self);
    // What Beast does at a time, each cancelled by its signal.
    enum Work { reading, writing, pinging, closing };
    template <class Handler>
    auto stoppable(Work work, Handler handler) {
        return asio::bind_cancellation_slot(stops_[work].slot(), std::move(handler));
    }
    // Awaits `start(handler)`, whose handler gets an error and a number of bytes.
    template <class Start>
    auto stoppable_start(Work work, Start start) {
        return asio::async_initiate<const async::UseTask, void(boost::system::error_code, std::size_t)>(
            [this, work, start = std::move(start)](auto handler) { start(this->stoppable(work, std::move(handler))); },
            async::use_task);
    }
    auto read_some(asio::mutable_buffer buffer) {
        return stoppable_start(reading,
                               [this, buffer](auto handler) { stream_.async_read_some(buffer, std::move(handler)); });
    }
    Task<boost::system::error_code> receive_message(std::string& message);
    Closed why(boost::system::error_code error) const;
    void end(Closed closed);
    void keep_alive();
    void drop();

    Connection& connection_;
    WebSocketOptions options_;
    async::Executor executor_;
    std::optional<WireLimit> limit_;
    std::optional<async::Sweeper::Entry> keepalive_;
    Stream stream_;
    std::shared_ptr<Waiter> readable_, room_, idle_;
    std::deque<std::string> queue_;
    std::size_t queue_bytes_ = 0;
    std::deque<std::shared_ptr<Waiter>> writers_;  // the first one writes
    std::optional<Closed> closed_;
    std::function<void()> stopped_;
    std::size_t operations_ = 0;
    base::SteadyTime last_in_ = now(), last_out_ = now(), last_ping_{};
    std::array<asio::cancellation_signal, 4> stops_;
    bool pinging_ = false;
    bool full_ = false;  // the queue: the client is not listened to
};

void BeastWebSocket::start() {
    beast::http::request<beast::http::empty_body> request(beast::http::verb::get, "/", 11);
    request.set("Host", "localhost");
    request.set("Upgrade", "websocket");
    request.set("Connection", "Upgrade");
    request.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.set("Sec-WebSocket-Version", "13");
    boost::system::error_code failed;
    stream_.accept(request, failed);
    if (failed) throw std::runtime_error("Beast: " + failed.message());
    stream_.text(true);
    stream_.auto_fragment(false);  // would send pieces of 4 KiB
    stream_.read_message_max(options_.message_limit);
    stream_.control_callback([this](beast::websocket::frame_type, beast::string_view) { last_in_ = now(); });
    connection_.core().tasks.spawn(receive(shared_from_this()));
    keep_alive();
}

Task<void> BeastWebSocket::receive(std::shared_ptr<BeastWebSocket> self) {
    const Operation operation(self);
    while (!self->closed_) {
        std::string message;
        const auto failed = co_await self->receive_message(message);
        if (self->closed_) break;
        if (failed) {
            self->end(self->why(failed));
            break;
        }
        if (self->stream_.got_binary()) {
            self->close(CloseCode::unsupported_data, "Send text.");
            break;
        }
        self->last_in_ = now();
        self->queue_bytes_ += message.size();
        self->queue_.push_back(std::move(message));
        self->readable_->wake();
        const auto full = [&] { return self->queue_.size() >= queue_limit || self->queue_bytes_ >= queue_bytes_limit; };
        self->full_ = full();
        while (full() && !self->closed_) co_await self->room_->wait(base::Deadline::never());
        if (std::exchange(self->full_, false)) self->last_in_ = now();
    }
}

// One message, or as much of a binary one as it takes to see what it is.
Task<boost::system::error_code> BeastWebSocket::receive_message(std::string& message) {
    std::array<char, first_read> first;
    auto [failed, size] = co_await read_some(asio::buffer(first));
    message.assign(first.data(), size);
    while (!failed && !stream_.is_message_done() && !stream_.got_binary()) {
        message.resize(size + std::clamp(size, first_read, largest_read));
        const auto [broken, more] = co_await read_some(asio::buffer(message.data() + size, message.size() - size));
        failed = broken;
        size += more;
        message.resize(size);
    }
    co_return failed;
}

Closed BeastWebSocket::why(boost::system::error_code failed) const {
    if (const auto breach = stream_.next_layer().breach(); breach && failed == error::closed) return {.code = *breach};
    if (failed == error::closed) {
        const beast::websocket::close_reason& given = stream_.reason();
        const auto code = static_cast<CloseCode>(given.code);
        return {.code = given.code == beast::websocket::close_code::none ? CloseCode::no_status : code,
                .by_client = true,
                .reason = std::string(given.reason.data(), given.reason.size())};
    }
    // Beast has sent these codes.
    if (failed == error::message_too_big) return {.code = CloseCode::too_big};
    if (failed == error::bad_frame_payload) return {.code = CloseCode::invalid_text};
    if (failed == beast::websocket::condition::protocol_violation) return {.code = CloseCode::protocol_error};
    return {.code = CloseCode::abnormal};
}

void BeastWebSocket::end(Closed closed) {
    closed_ = std::move(closed);
    keepalive_->clear();
    readable_->wake();
    room_->wake();
}

Task<std::expected<std::string, Closed>> BeastWebSocket::read(base::Deadline deadline) {
    const auto self = shared_from_this();
    for (;;) {
        if (!queue_.empty()) {
            std::string message = std::move(queue_.front());
            queue_.pop_front();
            queue_bytes_ -= message.size();
            if (full_) room_->wake();
            co_return message;
        }
        if (closed_) co_return std::unexpected(*closed_);
        if (deadline.passed(now())) co_return std::unexpected(Closed{.timed_out = true});
        co_await readable_->wait(deadline);
    }
}

Task<bool> BeastWebSocket::write(std::string_view text) {
    const Operation operation(shared_from_this());
    const auto place = writers_.empty() ? nullptr : Waiter::make(executor_);
    writers_.push_back(place);
    while (writers_.front() != place) co_await place->wait(base::Deadline::never());
    boost::system::error_code failed = asio::error::operation_aborted;
    if (!closed_) {
        failed = std::get<0>(co_await stoppable_start(
            writing, [this, text](auto handler) { stream_.async_write(asio::buffer(text), std::move(handler)); }));
        last_out_ = now();
    }
    writers_.pop_front();
    if (!writers_.empty()) writers_.front()->wake();
    co_return !failed;
}

void BeastWebSocket::close(CloseCode code, std::string_view reason) {
    if (closed_) return;
    const std::string_view cut = base::cut_utf8(reason, reason_limit);
    end({.code = code, .reason = std::string(cut)});
    limit_->end_by(base::Deadline::after(options_.close_limit));
    stream_.async_close({static_cast<beast::websocket::close_code>(code), beast::string_view(cut.data(), cut.size())},
                        stoppable(closing, [operation = Operation(shared_from_this())](boost::system::error_code) {}));
}

void BeastWebSocket::keep_alive() {
    if (closed_) return;
    const auto time = now();
    if (full_) last_in_ = time;
    const auto idle_at = last_in_ + options_.idle_limit;
    if (idle_at <= time) return close(CloseCode::policy, "Idle for too long.");
    auto next = idle_at;
    if (options_.ping_after.count() > 0) {
        auto ping_at = std::max(std::min(last_in_, last_out_), last_ping_) + options_.ping_after;
        if (ping_at <= time && !pinging_) {
            pinging_ = true;
            last_ping_ = last_out_ = time;
            stream_.async_ping(
                {}, [this, operation = Operation(shared_from_this())](boost::system::error_code) { pinging_ = false; });
        }
        if (ping_at <= time) ping_at = time + options_.ping_after;
        next = std::min(next, ping_at);
    }
    keepalive_->set(base::Deadline(next));
}

void BeastWebSocket::drop() {
    if (!closed_) end({.code = CloseCode::abnormal});
    connection_.close();
    // What waits for the socket ends with it; but a close that begins while the client breaks the protocol leaves
    // Beast's reader and closer waiting for each other (1.81). Later, since tasks go on here at once, and this may be
    // the sweeper.
    asio::post(executor_, [self = shared_from_this()] {
        for (asio::cancellation_signal& stop : self->stops_) stop.emit(asio::cancellation_type::terminal);
    });
}

Task<void> BeastWebSocket::finish(bool bug) {
    close(bug ? CloseCode::internal_error : CloseCode::normal, "");
    while (operations_ > 0) co_await idle_->wait(base::Deadline::never());
    // Whoever still holds this may outlive the connection.
    keepalive_.reset();
    limit_.reset();
}

}  // namespace

Task<base::Result<std::shared_ptr<WebSocket>>> accept_websocket(const Request& request, ResponseWriter& writer,
                                                                WebSocketOptions options) {
    auto accept = check_websocket_handshake(request);
    if (!accept) co_return std::unexpected(std::move(accept.error()));
    Response head{.status = 101};
    head.headers.add("Upgrade", "websocket");
    head.headers.add("Connection", "Upgrade");
    head.headers.add("Sec-WebSocket-Accept", std::move(*accept));
    if (!options.subprotocol.empty()) head.headers.add("Sec-WebSocket-Protocol", options.subprotocol);
    Connection* connection = co_await writer.take_over(std::move(head));
    if (!connection) co_return base::fail(base::Errc::unavailable, "The client has gone.");
    const auto socket = std::make_shared<BeastWebSocket>(*connection, std::move(options));
    socket->start();
    connection->set_takeover(socket);
    co_return socket;
}

}  // namespace tertulia::http
