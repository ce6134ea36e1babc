// How much of the load may be retries.
#pragma once

#include <algorithm>
#include <mutex>

namespace tertulia::models {

/// A bucket of retries for the whole process: when everything fails, the retries must not become a load of their own.
/// Shared; safe from any thread.
class RetryBudget {
  public:
    /// `share`: what each request adds; 1 and more: no limit.
    explicit RetryBudget(double share) : share_(share) {}

    void request_came() {
        const std::lock_guard lock(mutex_);
        held_ = std::min(held_ + share_, most);
    }
    /// Takes one out; false: there is none left.
    bool take() {
        if (share_ >= 1) return true;
        const std::lock_guard lock(mutex_);
        if (held_ < 1) return false;
        held_ -= 1;
        return true;
    }

  private:
    static constexpr double first = 10, most = 100;

    const double share_;
    std::mutex mutex_;
    double held_ = first;
};

}  // namespace tertulia::models
