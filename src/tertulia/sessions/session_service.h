// Sessions, as the API sees them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/models/model_limits.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_log.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::sessions {

/// One message and how it is to be answered. Checked by whoever makes it: ids are valid, texts are UTF-8. Value.
struct TurnRequest {
    std::string owner = "local";
    /// Empty: a new session with an id of our own.
    std::string session_id;
    std::string message;
    bool stream = false;
    std::optional<std::string> model;
    std::optional<std::string> system;
    std::optional<std::int64_t> max_tokens;
    std::optional<double> temperature;
    std::vector<std::string> stop;
    /// A JSON object's text; empty: none.
    std::string metadata;
    /// For the log.
    std::string request_id;
};

/// What the configuration says of turns. Value.
struct SessionSettings {
    std::string default_model;
    std::string default_system;
    std::int64_t max_tokens = 4096;
    base::Milliseconds turn_limit{600'000};
    base::Milliseconds queue_limit{30'000};
    /// Bytes of one answer (all its steps); beyond that the turn fails.
    std::size_t answer_bytes = 8u << 20;
};

/// A turn that was begun.
struct BegunTurn {
    std::string session_id;
    std::string turn_id;
    TurnReader reader;
};

/// Begins turns and answers questions about sessions. One per worker; what it shares with the others' is passed in and
/// outlives it.
class SessionService {
  public:
    struct Parts {
        SessionStore& store;
        TurnRegistry& registry;
        models::ModelDirectory& models;
        models::ModelLimits& limits;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        base::Random& random;
        const telemetry::Log& log;
        telemetry::Metrics& metrics;
    };
    SessionService(Parts parts, SessionSettings settings) : parts_(parts), settings_(std::move(settings)) {}

    /// Claims the session's order and starts the turn as a task of its own, which goes on whatever becomes of the
    /// reader. What is wrong with the request in itself is answered here (unknown model, too many waiting, shutting
    /// down); what can be known only with the session at hand ends the turn before its start.
    base::Result<BegunTurn> begin(TurnRequest request);

    struct History {
        MessagePage page;
        /// The running turn's id, or empty.
        std::string running;
    };
    async::Task<base::Result<History>> messages(SessionKey key, MessageQuery query);
    async::Task<base::Result<SessionPage>> sessions(std::string owner, std::int64_t limit, std::string after);
    /// A running turn is ended first and can never write afterwards. not_found where there is no such session.
    async::Task<base::Result<void>> remove(SessionKey key, base::Deadline deadline);

    const SessionSettings& settings() const { return settings_; }

  private:
    Parts parts_;
    SessionSettings settings_;
};

}  // namespace tertulia::sessions
