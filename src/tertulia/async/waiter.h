// A place where one task sleeps until another wakes it.
#pragma once

#include <atomic>
#include <coroutine>
#include <memory>
#include <utility>

#include "tertulia/async/seat.h"
#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

/// A condition variable for one task of one worker. `wake()` may be called from any thread; everything else only on the
/// worker that it was made for. A wake that comes before the wait is not lost; several are one.
class Waiter : public std::enable_shared_from_this<Waiter> {
    struct Private {};
    class Wait;

  public:
    /// `executor`: the worker of the task that will wait.
    static std::shared_ptr<Waiter> make(Executor executor) { return std::make_shared<Waiter>(Private{}, executor); }
    Waiter(Private, Executor executor);
    ~Waiter();

    /// To be awaited at once. Returns at a wake or at the deadline (see Sweeper for how exactly), whichever comes
    /// first; look at the condition again in either case.
    [[nodiscard]] Wait wait(base::Deadline deadline);

    void wake();

  private:
    struct Bed;
    class Beds;

    Seat& seat_until(base::Deadline deadline);
    void end_wait();

    Executor executor_;
    std::unique_ptr<Bed> bed_;              // made at the first wait
    bool woken_ = false;                    // only on the worker
    std::atomic<bool> on_its_way_ = false;  // a posted wake that has not run yet
};

class Waiter::Wait {
  public:
    Wait(Waiter& waiter, base::Deadline deadline) : waiter_(waiter), deadline_(deadline) {}

    bool await_ready() const noexcept { return waiter_.woken_; }
    template <class AnyPromise>
    void await_suspend(std::coroutine_handle<AnyPromise> task) {
        waiter_.seat_until(deadline_).take(task);
    }
    void await_resume() const noexcept { waiter_.end_wait(); }

  private:
    Waiter& waiter_;
    base::Deadline deadline_;
};

inline Waiter::Wait Waiter::wait(base::Deadline deadline) {
    return {*this, deadline};
}

}  // namespace tertulia::async
