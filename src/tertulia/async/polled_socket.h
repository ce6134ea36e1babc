// Sockets by the thousand, each silent most of the time.
#pragma once

#include <coroutine>
#include <cstdint>

#include "tertulia/async/seat.h"
#include "tertulia/async/sweeper.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

class Poller;

/// A non-blocking socket that one task waits for, reading or writing. Asio tells its epoll instance of every single
/// wait; this tells one of its own (Poller) once that it wants to hear of every change (edge-triggered, epoll(7)), and
/// a wait costs no system call. So whoever reads must say what was found: `was_emptied`. One per worker.
class PolledSocket {
  public:
    explicit PolledSocket(Executor executor);
    ~PolledSocket();
    PolledSocket(const PolledSocket&) = delete;

    /// Takes `descriptor`, which is non-blocking and connected, or on its way to be, in the place of the one that it
    /// had. errno where it cannot be watched, else 0.
    [[nodiscard]] int open(int descriptor);
    /// A wait that is under way ends.
    void close();

    bool is_open() const { return descriptor_ >= 0; }
    /// -1: none.
    int descriptor() const { return descriptor_; }

    /// May there be something to read: bytes, the end, an error? True where it is not known.
    bool may_be_read() const { return may_be_read_ || has_ended_; }
    /// There was nothing more to read.
    void was_emptied() { may_be_read_ = false; }

    class Wait;
    /// To be awaited at once. Returns when the socket may be read, at the deadline (see Sweeper; `has_timed_out`), or
    /// at `close`; where it may be read at once, other tasks go first.
    [[nodiscard]] Wait readable(base::Deadline deadline);
    /// Returns when the socket can be written again (for a write that found no room) or has been connected.
    [[nodiscard]] Wait writable(base::Deadline deadline);

    /// Was it the deadline that ended the last wait?
    bool has_timed_out() const { return has_timed_out_; }

  private:
    friend class Poller;

    void wait(base::Deadline deadline, bool to_write);
    void take(std::uint32_t events);

    Poller& poller_;
    Seat seat_;
    Sweeper::Entry deadline_;
    int descriptor_ = -1;
    bool waits_to_write_ = false;
    bool may_be_read_ = false;
    bool has_ended_ = false;  // there will be no further change to hear of
    bool has_timed_out_ = false;
};

class PolledSocket::Wait {
  public:
    Wait(PolledSocket& socket, base::Deadline deadline, bool to_write)
        : socket_(socket), deadline_(deadline), to_write_(to_write) {}

    bool await_ready() const noexcept { return false; }
    template <class AnyPromise>
    void await_suspend(std::coroutine_handle<AnyPromise> task) {
        socket_.seat_.take(task);
        socket_.wait(deadline_, to_write_);
    }
    void await_resume() const noexcept { socket_.deadline_.clear(); }

  private:
    PolledSocket& socket_;
    base::Deadline deadline_;
    bool to_write_;
};

inline PolledSocket::Wait PolledSocket::readable(base::Deadline deadline) {
    return {*this, deadline, false};
}
inline PolledSocket::Wait PolledSocket::writable(base::Deadline deadline) {
    return {*this, deadline, true};
}

}  // namespace tertulia::async
