// Blocking loopback sockets for tests: the other side of what is tested, without any of its code.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace tertulia::http::testing {

/// How long anything may take that ought to happen at once.
inline constexpr int patience_seconds = 10;

/// A connected socket that closes itself.
class BlockingSocket {
  public:
    explicit BlockingSocket(int fd) : fd_(fd) {
        const timeval limit{.tv_sec = patience_seconds, .tv_usec = 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    BlockingSocket(BlockingSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~BlockingSocket() { close(); }

    static BlockingSocket connect(std::uint16_t port) {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        return BlockingSocket(fd);
    }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    void shut_write() { ::shutdown(fd_, SHUT_WR); }
    int fd() const { return fd_; }

    /// False: the other side is gone.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(count));
        }
        return true;
    }
    /// What comes next; empty at the end (or after the patience).
    std::string receive() {
        std::string buffer(64 * 1024, '\0');
        const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
        buffer.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        return buffer;
    }
    std::string receive_all() {
        std::string all;
        for (std::string part = receive(); !part.empty(); part = receive()) all += part;
        return all;
    }
    /// Until `mark` has come, and nothing more than needed is waited for; what follows it may be in the result too.
    std::string receive_until(std::string_view mark) {
        std::string all;
        while (all.find(mark) == std::string::npos) {
            const std::string part = receive();
            if (part.empty()) break;
            all += part;
        }
        return all;
    }

  private:
    int fd_;
};

/// A server on a free port that plays one script per connection, in order of arrival, one after the other. A connection
/// is closed when its script ends.
class ScriptedServer {
  public:
    using Script = std::function<void(BlockingSocket&)>;

    explicit ScriptedServer(std::vector<Script> scripts) : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        EXPECT_EQ(::listen(listener_, 16), 0);
        socklen_t size = sizeof(address);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this, scripts = std::move(scripts)] {
            for (const Script& script : scripts) {
                BlockingSocket socket(::accept(listener_, nullptr, nullptr));
                if (socket.fd() < 0) break;
                script(socket);
            }
        });
    }
    ~ScriptedServer() {
        ::shutdown(listener_, SHUT_RDWR);  // wakes accept
        thread_.join();
        ::close(listener_);
    }
    ScriptedServer(const ScriptedServer&) = delete;

    std::uint16_t port() const { return port_; }

  private:
    int listener_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace tertulia::http::testing
