// Time as an argument: a clock that tests can set, and deadlines that are only ever shortened.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tertulia::base {

using SteadyTime = std::chrono::steady_clock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// Where time comes from. Shared; safe from any thread.
class Clock {
  public:
    virtual ~Clock() = default;
    /// Monotonic, for durations and deadlines.
    virtual SteadyTime steady() const = 0;
    /// Microseconds since 1970-01-01T00:00:00Z, for what is stored and shown.
    virtual std::int64_t wall_us() const = 0;
};

/// The machine's own clocks.
const Clock& system_clock();

/// The moment when something must be over. Made once per request and passed down; it can be shortened, never
/// lengthened. Value.
class Deadline {
  public:
    /// Never.
    Deadline() : at_(SteadyTime::max()) {}
    explicit Deadline(SteadyTime at) : at_(at) {}
    static Deadline never() { return Deadline(); }
    static Deadline after(std::chrono::steady_clock::duration limit) {
        return Deadline(std::chrono::steady_clock::now() + limit);
    }

    SteadyTime at() const { return at_; }
    bool is_never() const { return at_ == SteadyTime::max(); }
    bool passed(SteadyTime now) const { return now >= at_; }
    Deadline earlier(Deadline other) const { return other.at_ < at_ ? other : *this; }

  private:
    SteadyTime at_;
};

/// `2024-11-22T10:30:00.000000Z`: fixed width, UTC, six digits, so that the order of the strings is the order in time.
/// `us` is microseconds since 1970; years 0000 to 9999.
std::string format_timestamp(std::int64_t us);

/// A message's place in its session's order: the time now, or one microsecond after `last` where the clock has not
/// moved on (or stands back). The result is greater than `last` as a string, whatever form `last` has (a table filled
/// by another program may hold `+00:00` or no fraction). `last` is empty in a new session.
std::string next_timestamp(std::string_view last, std::int64_t now_us);

}  // namespace tertulia::base
