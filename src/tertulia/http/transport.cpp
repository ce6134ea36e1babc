#include "tertulia/http/transport.h"

#include <sys/socket.h>

#include <cerrno>

namespace tertulia::http {

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
