// When a call of an AWS service is made again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "tertulia/aws/service_error.h"

namespace tertulia::aws {

/// What helps against an error. Value.
enum class Remedy : std::uint8_t {
    none,
    retry,            ///< it may go better in a moment
    retry_slower,     ///< the service has too much to do
    new_credentials,  ///< these have expired
    correct_clock,    ///< the signature's time is wrong, if its time is what is wrong with it
};

Remedy remedy_for(const ServiceError& error);

/// As AWS's own SDKs have them since 2026. Value.
struct RetrySettings {
    /// All of them, the first one included; calls with corrected credentials or clock are not counted.
    int attempts = 3;
    std::chrono::milliseconds base{50};
    std::chrono::milliseconds throttled_base{1000};
    std::chrono::milliseconds max{20'000};
};

/// Keeps the retries of all calls of one client to a share of what succeeds: a service that is down is not asked three
/// times as often as one that works. One per worker.
class RetryQuota {
  public:
    /// What a retry takes out; nothing: there is not so much left, and nothing is taken.
    std::optional<int> take(Remedy remedy);
    /// A call went well, after a retry that took `taken`, or (0) without.
    void give_back(int taken);
    int left() const { return left_; }

  private:
    int left_ = 500;
};

/// One call's attempts: decides after each failure. One per worker.
class RetryPolicy {
  public:
    /// `repeatable`: doing it twice does no harm. Otherwise it is made again only where it is certain that nothing was
    /// done. `quota` outlives it.
    RetryPolicy(const RetrySettings& settings, RetryQuota& quota, bool repeatable)
        : settings_(settings), quota_(quota), repeatable_(repeatable) {}

    /// How an attempt failed. Value.
    struct Failed {
        Remedy remedy = Remedy::none;
        /// Did the request certainly not reach the service?
        bool was_not_sent = false;
        /// `x-amz-retry-after`.
        std::optional<std::chrono::milliseconds> retry_after = {};
        /// Is the clock far enough from the service's to be why?
        bool clock_is_wrong = false;
    };
    /// What is done next. Value.
    struct Step {
        Remedy remedy = Remedy::none;  // none: give up
        std::chrono::milliseconds wait{0};
        bool operator==(const Step&) const = default;
    };
    /// `random`: 0 to 1, exclusive.
    Step after(const Failed& failed, double random);
    void succeeded() { quota_.give_back(taken_); }

  private:
    RetrySettings settings_;
    RetryQuota& quota_;
    const bool repeatable_;
    int retries_ = 0;
    int taken_ = 0;
    bool credentials_renewed_ = false;
    bool clock_corrected_ = false;
};

}  // namespace tertulia::aws
