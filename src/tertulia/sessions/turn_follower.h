// A turn that runs in another process, as it comes.
#pragma once

#include <memory>

#include "tertulia/async/task.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_logs.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::sessions {

/// What it needs; outlives it.
struct FollowerParts {
    SessionStore& store;
    TurnLogs& logs;
    const TurnRegistry& registry;
    async::Executor executor;
    const telemetry::Log& log;
    /// How long the store is not looked at, at most.
    base::Milliseconds look_again;
};

/// Looks into the store until the turn has ended, and puts what was kept of it there into its log (`TurnLogs::follow`);
/// one task for all readers of this process, which ends when nobody reads any more. Where the store cannot be asked for
/// long, or this process stops, the log is left, and its readers come back. A turn whose process has died ends as
/// interrupted: the store sees to that.
async::Task<void> follow_turn(FollowerParts parts, std::shared_ptr<TurnLog> log);

}  // namespace tertulia::sessions
