// A clock that a test sets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "tertulia/base/clock.h"

namespace tertulia::test {

/// Stands still until it is moved. It begins an hour ahead of the machine's own steady time, by which timers run: no
/// deadline passes by itself while a test runs, however slow the machine. Shared; safe from any thread.
class ManualClock final : public base::Clock {
  public:
    base::SteadyTime steady() const override { return begin_ + std::chrono::microseconds(moved_us_); }
    std::int64_t wall_us() const override { return 1'732'271'400'000'000 + moved_us_; }  // 2024-11-22T10:30:00Z
    void advance(std::chrono::microseconds by) { moved_us_ += by.count(); }

  private:
    const base::SteadyTime begin_ = std::chrono::steady_clock::now() + std::chrono::hours(1);
    std::atomic<std::int64_t> moved_us_ = 0;
};

}  // namespace tertulia::test
