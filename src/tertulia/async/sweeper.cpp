#include "tertulia/async/sweeper.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>

namespace tertulia::async {

struct Sweeper::Timer {
    explicit Timer(Executor executor) : timer(executor) {}
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor> timer;
    base::SteadyTime at = base::SteadyTime::max();  // of the wait that is under way
};

Sweeper::Sweeper(Executor executor) : timer_(std::make_shared<Timer>(executor)) {}
Sweeper::~Sweeper() = default;

Sweeper::Entry::Entry(Sweeper& sweeper, std::function<void()> on_passed)
    : sweeper_(sweeper), on_passed_(std::move(on_passed)), after_(sweeper.first_) {
    if (after_) after_->before_ = this;
    sweeper.first_ = this;
}

Sweeper::Entry::~Entry() {
    (before_ ? before_->after_ : sweeper_.first_) = after_;
    if (after_) after_->before_ = before_;
}

void Sweeper::Entry::set(base::Deadline deadline) {
    at_ = deadline.at();
    if (at_ < sweeper_.timer_->at) {
        const auto now = std::chrono::steady_clock::now();
        // A far deadline only needs the tick to run; a near one moves it.
        const auto wanted = std::min(std::max(at_, now), now + tick);
        if (wanted < sweeper_.timer_->at) sweeper_.schedule(wanted);
    }
}

void Sweeper::schedule(base::SteadyTime at) {
    timer_->at = at;
    timer_->timer.expires_at(at);
    timer_->timer.async_wait([this, weak = std::weak_ptr(timer_), at](boost::system::error_code error) {
        const auto timer = weak.lock();
        if (!timer || error || timer->at != at) return;  // the sweeper is gone, or the wait was moved
        sweep();
    });
}

void Sweeper::sweep() {
    const auto now = std::chrono::steady_clock::now();
    auto next = base::SteadyTime::max();
    timer_->at = now;  // an entry that is set inside a callback does not start the timer: the end of this function does
    for (Entry* entry = first_; entry; entry = entry->after_) {
        if (entry->at_ <= now) {
            entry->clear();
            entry->on_passed_();
        }
        next = std::min(next, entry->at_);
    }
    timer_->at = base::SteadyTime::max();
    if (next != base::SteadyTime::max()) schedule(std::clamp(next, now, now + tick));
}

}  // namespace tertulia::async
