#include "tertulia/async/waiter.h"

#include <boost/asio/post.hpp>

namespace tertulia::async {

// Also where the task is destroyed while it waits.
struct Waiter::ForgetTimer {
    Timer*& timer;
    ~ForgetTimer() { timer = nullptr; }
};

Task<void> Waiter::wait(base::Deadline deadline) {
    if (!woken_) {
        Timer timer(executor_, deadline.at());
        timer_ = &timer;
        const ForgetTimer at_the_end{timer_};
        co_await timer.async_wait(use_task);  // its error says: cancelled, so woken
    }
    woken_ = false;
}

void Waiter::wake() {
    if (executor_.running_in_this_thread()) return wake_here();
    if (on_its_way_.exchange(true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->on_its_way_ = false;
        self->wake_here();
    });
}

void Waiter::wake_here() {
    woken_ = true;
    if (timer_) timer_->cancel();
}

}  // namespace tertulia::async
