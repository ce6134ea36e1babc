// A place where one task sleeps until another wakes it.
#pragma once

#include <atomic>
#include <coroutine>
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
    Waiter(Private, Executor executor);
    ~Waiter();

    /// To be awaited at once: returns at a wake or at the deadline, whichever comes first; look at the condition again
    /// in either case.
    auto wait(base::Deadline deadline) { return Wait{*this, deadline}; }

    void wake();

  private:
    struct Wait {
        Waiter& waiter;
        base::Deadline deadline;

        bool await_ready() const noexcept { return waiter.woken_; }
        template <class AnyPromise>
        void await_suspend(std::coroutine_handle<AnyPromise> task) {
            waiter.sleep(task, task.promise().chain(), deadline);
        }
        void await_resume() const noexcept { waiter.woken_ = false; }
    };
    class Bed;
    class Dormitory;

    void sleep(std::coroutine_handle<> task, detail::Chain* chain, base::Deadline deadline);
    void wake_here();

    Executor executor_;
    std::unique_ptr<Bed> bed_;              // from the first wait on: many are never waited at
    bool woken_ = false;                    // only on the worker
    std::atomic<bool> on_its_way_ = false;  // a posted wake that has not run yet
};

}  // namespace tertulia::async
