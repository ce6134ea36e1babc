#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// The few socket calls that the bench programs share. They are small single-threaded programs that a script starts
/// and reads: whatever they cannot do ends them with one line on standard error.
namespace tertulia::bench {

/// Ends the program with `what` and, when there is one, the system's reason.
[[noreturn]] inline void fail(std::string_view what) {
    const int reason = errno;
    std::fprintf(stderr, "%.*s%s%s\n", static_cast<int>(what.size()), what.data(), reason != 0 ? ": " : "",
                 reason != 0 ? std::strerror(reason) : "");
    std::exit(1);
}

/// An owned file descriptor. Value.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~Fd() { reset(); }

    int get() const { return fd_; }
    bool open() const { return fd_ >= 0; }
    void reset() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

  private:
    int fd_ = -1;
};

/// Monotonic time in nanoseconds.
inline std::int64_t now_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// The thread's own time: what else runs on the machine does not count.
inline std::int64_t thread_cpu_ns() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Thousands of connections need more than the usual 1024 descriptors: takes all that the hard limit allows.
inline void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Timers that fire when they are due, not up to 50 us later.
inline void use_exact_timers() {
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

template <class Number>
Number parse_number(std::string_view text, std::string_view what) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) {
        errno = 0;
        fail(std::string(what) + ": not a number: " + std::string(text));
    }
    return value;
}

/// "127.0.0.1:8080" as a socket address. IPv4 only: everything here is on the loopback.
inline sockaddr_in parse_address(std::string_view text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    const auto colon = text.rfind(':');
    const std::string host(text.substr(0, colon));
    if (colon == std::string_view::npos || ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
        errno = 0;
        fail("not an IPv4 address with a port: " + std::string(text));
    }
    address.sin_port = htons(parse_number<std::uint16_t>(text.substr(colon + 1), "port"));
    return address;
}

inline const sockaddr* as_sockaddr(const sockaddr_in& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

/// Small writes must leave at once: a benchmark of Nagle's algorithm is of no use.
inline void set_no_delay(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline Fd listen_on(const sockaddr_in& address) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), as_sockaddr(address), sizeof address) != 0) fail("bind");
    if (::listen(fd.get(), 4096) != 0) fail("listen");
    return fd;
}

inline std::uint16_t local_port(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
    return ntohs(address.sin_port);
}

/// A connected, non-blocking socket. The connecting itself blocks, which on the loopback is microseconds.
inline Fd connect_to(const sockaddr_in& address) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.open()) fail("socket");
    if (::connect(fd.get(), as_sockaddr(address), sizeof address) != 0) fail("connect");
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
    set_no_delay(fd.get());
    return fd;
}

/// epoll, level-triggered; a descriptor is known by a 32-bit token. One per worker.
class Poller {
  public:
    Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        if (!epoll_.open()) fail("epoll_create1");
    }

    void add(int fd, std::uint32_t token, std::uint32_t events = EPOLLIN) { control(EPOLL_CTL_ADD, fd, token, events); }
    void change(int fd, std::uint32_t token, std::uint32_t events) { control(EPOLL_CTL_MOD, fd, token, events); }

    /// Waits until something happens or `until` (now_ns) has come; -1 is for ever.
    std::span<const epoll_event> wait(std::int64_t until) {
        timespec timeout{};
        if (until >= 0) {
            const std::int64_t left = std::max<std::int64_t>(0, until - now_ns());
            timeout.tv_sec = left / 1'000'000'000;
            timeout.tv_nsec = left % 1'000'000'000;
        }
        const int count = ::epoll_pwait2(epoll_.get(), events_, static_cast<int>(std::size(events_)),
                                         until >= 0 ? &timeout : nullptr, nullptr);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        return {events_, static_cast<std::size_t>(std::max(count, 0))};
    }

  private:
    void control(int what, int fd, std::uint32_t token, std::uint32_t events) {
        epoll_event event{};
        event.events = events;
        event.data.u32 = token;
        if (::epoll_ctl(epoll_.get(), what, fd, &event) != 0) fail("epoll_ctl");
    }

    Fd epoll_;
    epoll_event events_[512];
};

}  // namespace tertulia::bench
