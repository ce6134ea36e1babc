// A place where one task sleeps until another wakes it.
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

/// A condition variable for one task of one worker. `wake()` may be called from any thread; everything else only on the
/// worker that it was made for. A wake that comes before the wait is not lost; several are one.
class Waiter : public std::enable_shared_from_this<Waiter> {
    struct Private {};

  public:
    /// `executor`: the worker of the task that will wait.
    static std::shared_ptr<Waiter> make(Executor executor) { return std::make_shared<Waiter>(Private{}, executor); }
    Waiter(Private, Executor executor) : executor_(executor) {}

    /// Returns at a wake or at the deadline, whichever comes first; look at the condition again in either case.
    Task<void> wait(base::Deadline deadline);

    void wake();

  private:
    using Timer =
        asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

    struct ForgetTimer;

    void wake_here();

    Executor executor_;
    Timer* timer_ = nullptr;                // of the wait under way; in its frame
    bool woken_ = false;                    // only on the worker
    std::atomic<bool> on_its_way_ = false;  // a posted wake that has not run yet
};

}  // namespace tertulia::async
