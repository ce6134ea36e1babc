#include "tertulia/models/circuit_breakers.h"

#include <algorithm>
#include <utility>

namespace tertulia::models {

bool CircuitBreakers::enter(std::string_view provider, base::SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto found = breakers_.find(provider);
    if (found == breakers_.end() || !found->second.is_open) return true;
    Breaker& breaker = found->second;
    if (now < breaker.next_probe) return false;
    // A probe that never comes back must not keep the next one away.
    breaker.next_probe = now + breaker.interval;
    breaker.is_probing = true;
    return true;
}

bool CircuitBreakers::is_closed(std::string_view provider) const {
    const std::lock_guard lock(mutex_);
    const auto found = breakers_.find(provider);
    return found == breakers_.end() || !found->second.is_open;
}

std::optional<base::SteadyTime> CircuitBreakers::open_until(std::string_view provider, base::SteadyTime now) const {
    const std::lock_guard lock(mutex_);
    const auto found = breakers_.find(provider);
    if (found == breakers_.end() || !found->second.is_open || now >= found->second.next_probe) return std::nullopt;
    return found->second.next_probe;
}

void CircuitBreakers::answered(std::string_view provider) {
    const std::lock_guard lock(mutex_);
    const auto found = breakers_.find(provider);
    if (found != breakers_.end() && found->second.is_open) found->second = Breaker{};
}

void CircuitBreakers::succeeded(std::string_view provider) {
    const std::lock_guard lock(mutex_);
    const auto found = breakers_.find(provider);
    if (found != breakers_.end()) found->second = Breaker{};
}

void CircuitBreakers::failed(std::string_view provider, base::SteadyTime now) {
    if (settings_.failures <= 0) return;
    const std::lock_guard lock(mutex_);
    auto found = breakers_.find(provider);
    if (found == breakers_.end()) found = breakers_.emplace(std::string(provider), Breaker{}).first;
    Breaker& breaker = found->second;
    if (!breaker.is_open) {
        if (++breaker.failures < settings_.failures) return;
        breaker.is_open = true;
        breaker.interval = settings_.probe;
    } else if (std::exchange(breaker.is_probing, false)) {
        breaker.interval = std::min(breaker.interval * 2, settings_.probe * 4);
    } else {
        return;  // a call that was under way when it opened says nothing new
    }
    breaker.next_probe = now + breaker.interval;
}

void CircuitBreakers::each(const std::function<void(std::string_view, bool)>& see) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [provider, breaker] : breakers_) see(provider, breaker.is_open);
}

}  // namespace tertulia::models
