#include "tertulia/models/readiness.h"

namespace tertulia::models {

std::string Readiness::waiting_for() const {
    const std::lock_guard lock(mutex_);
    return waiting_for_;
}

void Readiness::set_waiting(std::string what) {
    const std::lock_guard lock(mutex_);
    waiting_for_ = std::move(what);
}

void Readiness::set_ready() {
    const std::lock_guard lock(mutex_);
    waiting_for_.clear();
    for (const auto& waiter : waiters_)
        if (const auto still_there = waiter.lock()) still_there->wake();
    waiters_.clear();
}

bool Readiness::notify(const std::shared_ptr<async::Waiter>& waiter) {
    const std::lock_guard lock(mutex_);
    if (waiting_for_.empty()) return false;
    std::erase_if(waiters_, [&](const auto& other) { return other.expired() || other.lock() == waiter; });
    waiters_.push_back(waiter);
    return true;
}

}  // namespace tertulia::models
