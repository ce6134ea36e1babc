// A socket's reads and writes that do not wait, with or without TLS.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <memory>
#include <string>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"

namespace tertulia::http {

using Tcp = boost::asio::ip::tcp;
using Socket = boost::asio::basic_stream_socket<Tcp, async::Executor>;

/// What a read or write that does not wait came to. Value.
struct IoResult {
    enum class State {
        done,        ///< `bytes` of them
        want_read,   ///< nothing now: wait until the socket is readable
        want_write,  ///< nothing now: wait until it is writable
        closed,      ///< the other side has ended the connection in good order
        failed,
    };
    State state = State::failed;
    std::size_t bytes = 0;

    bool wants_to_wait() const { return state == State::want_read || state == State::want_write; }
};

/// A socket, non-blocking and without Nagle's delay, that is being connected: when it can be written, `pending_error`
/// says (errno, 0 if none) whether it has been. -1, and errno, where it cannot be.
int begin_connect(const Tcp::endpoint& endpoint);
int pending_error(int socket);

/// recv(2) and send(2) on a non-blocking socket; never a SIGPIPE.
IoResult receive(int socket, char* buffer, std::size_t size);
IoResult send_some(int socket, const char* bytes, std::size_t size);

}  // namespace tertulia::http
