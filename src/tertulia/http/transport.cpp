#include "tertulia/http/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace tertulia::http {

int begin_connect(const Tcp::endpoint& endpoint) {
    const int made = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (made < 0) return -1;
    const int on = 1;
    if (::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (::connect(made, endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 || errno == EINPROGRESS))
        return made;
    const int error = errno;
    ::close(made);
    errno = error;
    return -1;
}

int pending_error(int socket) {
    int error = 0;
    socklen_t size = sizeof error;
    return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

IoResult receive(int socket, char* buffer, std::size_t size) {
    for (;;) {
        const ssize_t count = ::recv(socket, buffer, size, 0);
        if (count > 0) return {IoResult::State::done, static_cast<std::size_t>(count)};
        if (count == 0) return {IoResult::State::closed};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::State::want_read};
        if (errno != EINTR) return {IoResult::State::failed};
    }
}

IoResult send_some(int socket, const char* bytes, std::size_t size) {
    for (;;) {
        const ssize_t count = ::send(socket, bytes, size, MSG_NOSIGNAL);
        if (count >= 0) return {IoResult::State::done, static_cast<std::size_t>(count)};
        if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::State::want_write};
        if (errno != EINTR) return {IoResult::State::failed};
    }
}

}  // namespace tertulia::http
