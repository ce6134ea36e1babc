// What all workers share.
#pragma once

#include <memory>

#include "tertulia/app/config.h"
#include "tertulia/app/provider_keys.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/memory_ceiling.h"
#include "tertulia/base/random.h"
#include "tertulia/models/model_limits.h"
#include "tertulia/models/readiness.h"
#include "tertulia/models/resilience.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::app {

/// Each is safe from any thread, and outlives the workers. Value.
struct SharedParts {
    const Config& config;
    const base::Environment& environment;
    aws::CredentialState& credentials;
    ProviderKeys& provider_keys;
    sessions::SessionStore& store;
    sessions::TurnRegistry& registry;
    sessions::TurnLogs& logs;
    sessions::IdempotencyKeys& keys;
    sessions::Checkpoints& checkpoints;
    sessions::Spending& spending;
    models::ModelLimits& limits;
    models::Resilience& resilience;
    models::Readiness& local_readiness;
    const base::Clock& clock;
    base::Random& random;
    const telemetry::Log& log;
    telemetry::Metrics& metrics;
    std::shared_ptr<base::MemoryCeiling> content_memory;
};

}  // namespace tertulia::app
