// What Beast's WebSocket takes for its socket.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "tertulia/async/sweeper.h"
#include "tertulia/http/close_frame_filter.h"
#include "tertulia/http/transport.h"

namespace tertulia::http {

/// When writes, and the whole of a closing handshake, must have got on. One per worker.
class WireLimit {
  public:
    WireLimit(async::Executor executor, base::Milliseconds write_limit, std::function<void()> on_passed)
        : entry_(executor, std::move(on_passed)), write_limit_(write_limit) {}

    void begin_write() { entry_.set(base::Deadline::after(write_limit_).earlier(end_)); }
    void end_write() { entry_.set(end_); }
    void end_by(base::Deadline end) { entry_.set(end_ = end); }

  private:
    async::Sweeper::Entry entry_;
    base::Milliseconds write_limit_;
    base::Deadline end_;
};

/// A connection's socket as Beast needs it, with four differences: reads begin with the bytes that came with the
/// request, a close frame comes as the filter leaves it, every write has its limit, and the socket's end is left to the
/// connection. Beast's own handshake, which it cannot be opened without, goes nowhere (the synchronous functions): ours
/// has been sent before. One per worker.
class WebSocketWire {
    using Error = boost::system::error_code;
    using Signature = void(Error, std::size_t);

  public:
    using executor_type = async::Executor;

    WebSocketWire(Socket& socket, std::string early, WireLimit& limit)
        : socket_(&socket), early_(std::move(early)), limit_(&limit) {
        early_.resize(filter_.pass(early_));
        early_ += filter_.take();
    }

    executor_type get_executor() { return socket_->get_executor(); }

    template <class Buffers, class Token>
    BOOST_ASIO_INITFN_AUTO_RESULT_TYPE(Token, Signature)
    async_read_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_compose<Token, Signature>(
            [this, buffers, copied = std::size_t(0), state = State::begun](auto& self, Error error = {},
                                                                           std::size_t bytes = 0) mutable {
                if (state == State::reads) {
                    bytes = pass(buffers, bytes);
                    if (bytes == 0 && !error) bytes = take_early(buffers);
                    if (bytes > 0 || error) return self.complete(error, bytes);
                }
                if (state == State::copied) return self.complete(error, copied);
                copied = state == State::begun ? take_early(buffers) : 0;
                state = copied > 0 ? State::copied : State::reads;
                if (copied == 0) return socket_->async_read_some(buffers, std::move(self));
                boost::asio::post(std::move(self));
            },
            token, *socket_);
    }

    template <class Buffers, class Token>
    BOOST_ASIO_INITFN_AUTO_RESULT_TYPE(Token, Signature)
    async_write_some(const Buffers& buffers, Token&& token) {
        return boost::asio::async_compose<Token, Signature>(
            [this, buffers, state = 0](auto& self, Error error = {}, std::size_t bytes = 0) mutable {
                if (state++ > 0) {
                    limit_->end_write();
                    return self.complete(error, bytes);
                }
                limit_->begin_write();
                socket_->async_write_some(buffers, std::move(self));
            },
            token, *socket_);
    }

    template <class Buffers>
    std::size_t write_some(const Buffers& buffers, Error& error) {
        error = {};
        return boost::asio::buffer_size(buffers);
    }
    template <class Buffers>
    std::size_t write_some(const Buffers& buffers) {
        return boost::asio::buffer_size(buffers);
    }
    template <class Buffers>
    std::size_t read_some(const Buffers&, Error& error) {
        error = boost::asio::error::eof;
        return 0;
    }
    template <class Buffers>
    std::size_t read_some(const Buffers&) {
        return 0;
    }

    template <class Handler>
    friend void async_teardown(boost::beast::role_type, WebSocketWire& wire, Handler&& handler) {
        boost::asio::post(wire.get_executor(),
                          [handler = std::forward<Handler>(handler)]() mutable { std::move(handler)(Error()); });
    }
    friend void teardown(boost::beast::role_type, WebSocketWire&, Error& error) { error = {}; }
    friend void beast_close_socket(WebSocketWire& wire) {
        Error ignored;
        wire.socket_->close(ignored);
    }

    /// See CloseFrameFilter.
    std::optional<CloseCode> breach() const { return filter_.breach(); }

  private:
    enum class State { begun, copied, reads };

    // Of the bytes that have come into these buffers, those that may go on.
    template <class Buffers>
    std::size_t pass(const Buffers& buffers, std::size_t bytes) {
        std::size_t passed = 0;
        for (auto buffer = boost::asio::buffer_sequence_begin(buffers);
             buffer != boost::asio::buffer_sequence_end(buffers) && bytes > 0; ++buffer) {
            const boost::asio::mutable_buffer part = boost::asio::buffer(*buffer, bytes);
            passed += filter_.pass({static_cast<const char*>(part.data()), part.size()});
            bytes -= part.size();
        }
        early_ += filter_.take();
        return passed;
    }
    template <class Buffers>
    std::size_t take_early(const Buffers& buffers) {
        if (early_.empty()) return 0;
        const std::size_t copied = boost::asio::buffer_copy(buffers, boost::asio::buffer(early_));
        early_.erase(0, copied);
        if (early_.empty()) early_.shrink_to_fit();
        return copied;
    }

    Socket* socket_;
    std::string early_;  // to be read before what the socket has
    WireLimit* limit_;
    CloseFrameFilter filter_;
};

}  // namespace tertulia::http
