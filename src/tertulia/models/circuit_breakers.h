// Which providers are failing, so that no turn waits for one that will not answer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/base/clock.h"

namespace tertulia::models {

/// Value.
struct BreakerSettings {
    /// So many calls in a row must fail; 0: breakers are off.
    std::int64_t failures = 5;
    /// Until the first probe of a provider that has failed; doubled by every probe that fails, four times this at most.
    base::Milliseconds probe{5000};
};

/// One circuit breaker for each provider entry of the configuration (one vendor, region and key). Closed, all calls may
/// go; after so many failures in a row it opens, and only a probe may go from time to time, until one answers. Shared;
/// safe from any thread.
class CircuitBreakers {
  public:
    explicit CircuitBreakers(BreakerSettings settings) : settings_(settings) {}

    /// May a call go to it now? Of an open breaker's calls the one that may is its probe.
    bool enter(std::string_view provider, base::SteadyTime now);
    bool is_closed(std::string_view provider) const;
    /// When the next probe may go; nothing where calls may.
    std::optional<base::SteadyTime> open_until(std::string_view provider, base::SteadyTime now) const;

    /// An answer began: an open breaker closes.
    void answered(std::string_view provider);
    /// An answer came whole (or a refusal that says nothing against the provider): no failure in a row any more.
    void succeeded(std::string_view provider);
    void failed(std::string_view provider, base::SteadyTime now);

    /// Calls `see` with every breaker that was ever used.
    void each(const std::function<void(std::string_view provider, bool open)>& see) const;

  private:
    struct Breaker {
        std::int64_t failures = 0;  // in a row
        bool is_open = false;
        bool is_probing = false;
        base::SteadyTime next_probe;
        base::Milliseconds interval{0};
    };

    const BreakerSettings settings_;
    mutable std::mutex mutex_;
    std::map<std::string, Breaker, std::less<>> breakers_;
};

}  // namespace tertulia::models
