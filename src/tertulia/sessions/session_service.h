// Sessions, as the API sees them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/models/model_limits.h"
#include "tertulia/models/resilience.h"
#include "tertulia/sessions/checkpoints.h"
#include "tertulia/sessions/idempotency_keys.h"
#include "tertulia/sessions/session_feed.h"
#include "tertulia/sessions/spending.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_audience.h"
#include "tertulia/sessions/turn_logs.h"
#include "tertulia/sessions/turn_reader.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/sessions/turn_request.h"
#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::sessions {

/// What the configuration says of turns. Value.
struct SessionSettings {
    std::string default_model;
    std::string default_system;
    std::int64_t max_tokens = 4096;
    base::Milliseconds turn_limit{600'000};
    base::Milliseconds queue_limit{30'000};
    /// Bytes of one answer (all its steps); beyond that the turn fails.
    std::size_t answer_bytes = 8u << 20;
    /// How long a store that several processes share is not looked at, at most, while its news is waited for.
    base::Milliseconds look_again{1000};
};

struct DirectQuestion;
struct DirectAnswer;

base::Error no_such_session();
base::Error no_such_turn();

/// A turn that was begun, or joined.
struct BegunTurn {
    TurnReader reader;
    /// The request was a repetition: this is the turn of an earlier one.
    bool is_replay = false;
};

/// Begins turns and answers questions about sessions. One per worker; what it shares with the others' is passed in and
/// outlives it.
class SessionService {
  public:
    struct Parts {
        SessionStore& store;
        TurnRegistry& registry;
        TurnLogs& logs;
        IdempotencyKeys& keys;
        Checkpoints& checkpoints;
        Spending& spending;
        models::ModelDirectory& models;
        models::ModelLimits& limits;
        models::Resilience& resilience;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        base::Random& random;
        const telemetry::Log& log;
        telemetry::Metrics& metrics;
        TurnAudience* audience = nullptr;  // null: nobody hears of turns but who asks
    };
    SessionService(Parts parts, SessionSettings settings) : parts_(parts), settings_(std::move(settings)) {}

    /// `audience` hears of the turns that start from now on, and outlives this.
    void set_audience(TurnAudience& audience) { parts_.audience = &audience; }

    /// Claims the session's order and starts the turn as a task of its own, which goes on whatever becomes of the
    /// reader. What is wrong with the request in itself is answered here (unknown model, too many waiting, shutting
    /// down); what can be known only with the session at hand ends the turn before its start. `request.once` is not
    /// looked at.
    base::Result<BegunTurn> begin(TurnRequest request);
    /// The same, or (with `continues`) as `continue_turn`, but a repetition (by `request.once`) joins the turn that it
    /// repeats, running or ended. `invalid_request` (422): the key stands for another body.
    async::Task<base::Result<BegunTurn>> begin_once(TurnRequest request, std::optional<TurnName> continues = {});
    /// Begins a turn that goes on from an answer which is not whole, and makes it so; of the request only how it is to
    /// be answered counts. `conflict`: it is whole, or the session is busy, or has moved on.
    async::Task<base::Result<BegunTurn>> continue_turn(TurnName name, TurnRequest request);

    // -- where several processes share the store: a turn may outlive the time that its process has
    /// Asks a turn of this process to stop here and leave the rest to another one, and waits until it has. Its readers
    /// here come to the end without a terminal event, to a result that says `running`. `conflict`: it has ended here
    /// instead (one that had not begun: as interrupted, with nothing written). `not_found`: it does not run here.
    async::Task<base::Result<void>> hand_over(TurnName name, base::Deadline deadline);
    /// Goes on with such a turn, under the same id. Of the request only how it is to be answered counts (tools,
    /// max_tokens, ...): the message, model and system are the session's. Where nobody has handed it over the turn ends
    /// without a start, as `not_found`.
    base::Result<BegunTurn> resume(TurnName name, TurnRequest request);

    /// A reader of any turn, running or ended, of what comes after event `after`. `not_found`.
    async::Task<base::Result<TurnReader>> read(TurnName name, std::uint32_t after = 0);
    /// The id of the turn that began next after this one in its session; empty: none has.
    async::Task<base::Result<std::string>> next_turn(TurnName name) { return parts_.store.next_turn(std::move(name)); }
    /// How long a cancellation is best waited for.
    static constexpr base::Milliseconds cancel_limit{10'000};
    /// Ends a running or waiting turn, and waits for its end. `not_found`; `conflict`: it has ended otherwise before.
    async::Task<base::Result<TurnReader>> cancel(TurnName name, base::Deadline deadline);
    /// Asks a turn to end, if it runs or waits here.
    void ask_to_cancel(const TurnName& name) { parts_.registry.stop(name, TurnState::cancelled); }
    /// The same, for one whose time here is over: it can be continued.
    void ask_to_interrupt(const TurnName& name) { parts_.registry.stop(name, TurnState::interrupted); }
    /// All turns of a session, for one reader.
    SessionFeed feed(SessionKey key);
    /// May turns of these sessions run in other processes?
    bool is_shared() const { return parts_.store.is_shared(); }
    /// Is there such a session, or is one being made?
    async::Task<base::Result<bool>> exists(SessionKey key);

    struct History {
        MessagePage page;
        /// The running turn's id, or empty.
        std::string running;
    };
    async::Task<base::Result<History>> messages(SessionKey key, MessageQuery query);
    async::Task<base::Result<SessionPage>> sessions(std::string owner, std::int64_t limit, std::string after);
    async::Task<base::Result<UsageReport>> usage(UsageQuery query);
    /// Asks a model without a session (direct_answer.h).
    async::Task<base::Result<DirectAnswer>> ask_directly(DirectQuestion question, std::stop_token stop,
                                                         base::Deadline deadline);
    /// A running turn is ended first and can never write afterwards. not_found where there is no such session.
    async::Task<base::Result<void>> remove(SessionKey key, base::Deadline deadline);

  private:
    std::shared_ptr<const TurnName> make_name(const TurnRequest& request) const;
    std::shared_ptr<TurnClaim> make_claim(std::shared_ptr<const TurnName> name) const;
    base::Result<BegunTurn> start(TurnRequest request, std::optional<TakenUp> taken_up,
                                  std::shared_ptr<const TurnName> name, bool resumes = false);
    // What a key's record says is to be done.
    struct Known {
        std::optional<BegunTurn> joins;
        std::optional<TakenUp> retries;
        bool must_wait = false;  // for what becomes of its turn
    };
    async::Task<base::Result<BegunTurn>> begin_claimed(TurnRequest request, std::optional<TurnName> continues);
    async::Task<base::Result<Known>> look_up(const IdempotencyRecord& record, const TurnRequest& request);
    async::Task<bool> may_still_begin(const IdempotencyRecord& record, const TurnRequest& request);
    async::Task<base::Result<BegunTurn>> continue_as(TurnName name, TurnRequest request,
                                                     std::shared_ptr<const TurnName> as);
    base::Result<TurnReader> follow(const TurnName& name, std::uint32_t after);
    async::Task<base::Result<void>> remove_shared(TurnClaim& claim, base::Deadline deadline);

    Parts parts_;
    SessionSettings settings_;
};

}  // namespace tertulia::sessions
