// What all turns of the process know together of their providers' failures.
#pragma once

#include "tertulia/models/attempt_policy.h"
#include "tertulia/models/circuit_breakers.h"
#include "tertulia/models/first_token_times.h"
#include "tertulia/models/retry_budget.h"

namespace tertulia::models {

/// Shared; safe from any thread.
struct Resilience {
    struct Settings {
        RetrySettings retry;
        /// Retries as a share of requests (RetryBudget).
        double retry_share = 0.2;
        BreakerSettings breaker;
    };
    Resilience() : Resilience(Settings()) {}
    explicit Resilience(Settings settings)
        : retry(settings.retry), retries(settings.retry_share), breakers(settings.breaker) {}

    const RetrySettings retry;
    RetryBudget retries;
    CircuitBreakers breakers;
    FirstTokenTimes first_tokens;
};

}  // namespace tertulia::models
