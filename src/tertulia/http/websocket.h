// WebSockets: the server's side (RFC 6455).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"

namespace tertulia::http {

/// RFC 6455 7.4.1 and the registry it opened. Any other number of the range that clients may use can occur too.
enum class CloseCode : std::uint16_t {
    normal = 1000,
    going_away = 1001,        ///< the server stops, or the page was left
    protocol_error = 1002,    ///< bytes that are no WebSocket
    unsupported_data = 1003,  ///< a binary message
    no_status = 1005,         ///< the client closed without saying why; never sent
    abnormal = 1006,          ///< the connection broke; never sent
    invalid_text = 1007,      ///< not UTF-8
    policy = 1008,            ///< idle for too long, or what the handler means by it
    too_big = 1009,           ///< a message over the limit
    internal_error = 1011,    ///< a bug here
    try_again_later = 1013,   ///< too much at once
};

/// Value.
struct WebSocketOptions {
    std::size_t message_limit = std::size_t(1) << 20;  ///< bytes of a message from the client; more is 1009
    base::Milliseconds ping_after{10'000};             ///< of silence in either direction; 0: never
    base::Milliseconds idle_limit{120'000};            ///< without a whole message or a pong from the client: 1008
    base::Milliseconds write_limit{30'000};            ///< without any progress of a write: the connection is dropped
    base::Milliseconds close_limit{2'000};             ///< for the client to answer our close
    std::string subprotocol = {};                      ///< one of those that the client offers; empty: none
};

/// Why a read gave no message. Value.
struct Closed {
    /// The read's deadline passed. The socket is as open as before, and the rest says nothing.
    bool timed_out = false;
    CloseCode code = CloseCode::abnormal;
    bool by_client = false;  ///< else it was closed by this side, or broke
    std::string reason = {};
};

/// An open WebSocket of text messages. Frames, fragments, masks, pings, pongs and the closing handshake stay inside;
/// what breaks the protocol is answered with its close code. One task may read while any number of others write. Ends
/// with the handler that accepted it: what is still open then is closed with 1000, or with 1011 if an exception ended
/// the handler. Whoever holds it longer can only learn that it is closed. One per worker.
class WebSocket {
  public:
    virtual ~WebSocket() = default;

    /// The client's next message. One read at a time.
    virtual async::Task<std::expected<std::string, Closed>> read(base::Deadline deadline) = 0;

    /// Sends `text` (UTF-8) as one message; returns when the kernel has taken all of it. Writes that come meanwhile
    /// wait for their place, in order. False: the socket is closed, and the message was not or not wholly sent.
    virtual async::Task<bool> write(std::string_view text) = 0;

    /// Begins the closing handshake, after the write that is under way; reads and writes that wait end at once. Only
    /// the first call counts. `reason` is cut after 123 bytes.
    virtual void close(CloseCode code, std::string_view reason) = 0;

    virtual bool is_open() const = 0;

    /// Calls `stopped`, once, when the server stops, and leaves it to that to close the socket (1001) in good time;
    /// else it is closed then. Null: as before.
    virtual void on_stop(std::function<void()> stopped) {}
};

/// Makes the request's connection a WebSocket. Look at `Origin`, token and subprotocols (websocket_handshake.h) before.
/// Errors: the request is no opening handshake (status 400, 426: answer it as any error), unavailable (the client has
/// gone, or this writer has no connection to give; nothing need be said any more).
async::Task<base::Result<std::shared_ptr<WebSocket>>> accept_websocket(const Request& request, ResponseWriter& writer,
                                                                       WebSocketOptions options);

}  // namespace tertulia::http
