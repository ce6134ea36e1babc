#include "tertulia/async/polled_socket.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <span>
#include <system_error>

#include "tertulia/async/background.h"
#include "tertulia/base/prefetch.h"

namespace tertulia::async {
namespace {

constexpr std::size_t most_at_once = 256;
// How often one handler looks for more, since what came while it worked is cheaper to take now.
constexpr int most_rounds = 4;
// How far ahead of the socket whose task goes on: a socket is wanted before the frames of its task.
constexpr std::size_t sockets_ahead = 4, tasks_ahead = 2;

constexpr std::uint32_t ends_it = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

}  // namespace

/// The epoll instance of a worker's sockets; Asio's waits for it as for one socket. One per event loop.
class Poller : public asio::execution_context::service {
  public:
    using key_type = Poller;
    static asio::execution_context::id id;

    static Poller& of(Executor executor) { return asio::use_service<Poller>(executor.context()); }
    explicit Poller(asio::execution_context& context);

    int add(PolledSocket& socket, int descriptor);
    void remove(const PolledSocket& socket);

  private:
    void shutdown() override;
    void look_later();
    void look();
    void take(std::span<epoll_event> events);

    Executor executor_;
    asio::posix::basic_stream_descriptor<Executor> epoll_;
    std::span<epoll_event> taken_;  // these are told to their sockets now; null: the socket is gone
    bool looks_ = false;
};

asio::execution_context::id Poller::id;

Poller::Poller(asio::execution_context& context)
    : service(context), executor_(static_cast<asio::io_context&>(context).get_executor()), epoll_(executor_) {
    const int descriptor = ::epoll_create1(EPOLL_CLOEXEC);
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    epoll_.assign(descriptor);
}

void Poller::shutdown() {
    boost::system::error_code ignored;
    epoll_.close(ignored);
}

int Poller::add(PolledSocket& socket, int descriptor) {
    epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &socket}};
    if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) < 0) return errno;
    if (!std::exchange(looks_, true)) look_later();
    return 0;
}

// Closing would do the same, unless a child process that is being started still has a copy of the descriptor.
void Poller::remove(const PolledSocket& socket) {
    if (epoll_.is_open()) ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, socket.descriptor(), nullptr);
    for (epoll_event& event : taken_)
        if (event.data.ptr == &socket) event.data.ptr = nullptr;
}

void Poller::look_later() {
    start_in_background(
        executor_,
        [this](auto handler) { epoll_.async_wait(asio::posix::descriptor_base::wait_read, std::move(handler)); },
        [this](boost::system::error_code error) {
            if (!error) look();
        });
}

void Poller::look() {
    std::array<epoll_event, most_at_once> events;
    Seat::Driver driver(executor_);
    for (int round = 0; round < most_rounds; ++round) {
        const int count = ::epoll_wait(epoll_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
        if (count <= 0) break;
        take(std::span(events).first(static_cast<std::size_t>(count)));
        driver.resume_ready();
    }
    look_later();
}

void Poller::take(std::span<epoll_event> events) {
    taken_ = events;
    const auto ahead = [events](std::size_t at) {
        return at < events.size() ? static_cast<const PolledSocket*>(events[at].data.ptr) : nullptr;
    };
    for (std::size_t at = 0; at < events.size(); ++at) {
        base::prefetch(ahead(at + sockets_ahead));
        if (const PolledSocket* const next = ahead(at + tasks_ahead)) next->seat_.prefetch_task();
        if (const auto socket = static_cast<PolledSocket*>(events[at].data.ptr)) socket->take(events[at].events);
    }
    taken_ = {};
}

PolledSocket::PolledSocket(Executor executor)
    : poller_(Poller::of(executor)), seat_(executor), deadline_(executor, [this] {
          has_timed_out_ = true;
          seat_.resume_soon();
      }) {}

PolledSocket::~PolledSocket() {
    close();
}

int PolledSocket::open(int descriptor) {
    close();
    may_be_read_ = has_ended_ = has_timed_out_ = false;
    const int failed = poller_.add(*this, descriptor);
    if (failed != 0)
        ::close(descriptor);
    else
        descriptor_ = descriptor;
    return failed;
}

void PolledSocket::close() {
    if (descriptor_ < 0) return;
    poller_.remove(*this);
    ::close(std::exchange(descriptor_, -1));
    if (seat_.is_taken()) seat_.resume_soon();
}

void PolledSocket::wait(base::Deadline deadline, bool to_write) {
    waits_to_write_ = to_write;
    has_timed_out_ = false;
    const bool is_over = !is_open() || (!to_write && may_be_read());
    if (is_over && !deadline.is_never() && deadline.passed(std::chrono::steady_clock::now())) has_timed_out_ = true;
    if (is_over) return seat_.resume_soon();
    deadline_.set(deadline);
}

void PolledSocket::take(std::uint32_t events) {
    if (events & (EPOLLIN | ends_it)) may_be_read_ = true;
    if (events & ends_it) has_ended_ = true;
    if (!seat_.is_taken()) return;
    // Not for EPOLLRDHUP where it waits to write: a side that says no more may still listen.
    const bool is_over = waits_to_write_ ? (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 : may_be_read();
    if (is_over) seat_.resume();
}

}  // namespace tertulia::async
