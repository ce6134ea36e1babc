// One answer, with as many calls of as many models as it takes.
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/models/attempt_policy.h"
#include "tertulia/models/attempt_record.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/models/provider.h"
#include "tertulia/models/resilience.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::models {

/// The answer goes on at another target. Value.
struct Reroute {
    const ModelRef* from = nullptr;
    const ModelRef* to = nullptr;
    /// Why the former one did not go on.
    base::Errc reason = base::Errc::internal;
    /// What was shown so far is void.
    bool restarts = false;
};

/// Who asks, and takes the answer: the turn. One per worker.
class Asker {
  public:
    virtual ~Asker() = default;

    /// Before a step with less context: is there any less?
    virtual bool can_ask_less() const = 0;
    /// What `target` is to be sent, in the step's form. too_large: it does not fit this target, others may take it; any
    /// other error ends the call with it.
    virtual async::Task<base::Result<ModelRequest>> ask(const ModelRef& target, const Step& step) = 0;
    /// Our estimate of the tokens of the latest `ask`.
    virtual std::int64_t prompt_tokens() const = 0;

    /// Waits until an answer may be shown. False: it never may, and the call ends.
    virtual async::Task<bool> may_show() = 0;
    /// Must `make_room` be awaited before these steps are shown?
    virtual bool needs_room(const chat::AnswerEvents& steps) const = 0;
    virtual async::Task<base::Result<void>> make_room() = 0;
    /// More of the answer. An error ends the call with it.
    virtual base::Result<void> show(const chat::AnswerEvents& steps) = 0;
    /// The answer begins: what was of use for asking alone is not needed for as long as it goes well.
    virtual void answering(const ModelRef& by, base::Milliseconds after) = 0;
    /// Comes before the first steps of the new target.
    virtual void rerouted(const Reroute& reroute) = 0;

    /// The provider found the prompt too long; `context_window`: what it said of its limit.
    virtual void was_too_long(const ModelRef& target, std::optional<std::int64_t> context_window) = 0;

    virtual SoFar so_far() const = 0;
    /// Our estimate of the tokens shown since the last call of this.
    virtual chat::Usage take_given() = 0;
};

/// Obeys the AttemptPolicy: calls targets, one after the other or (hedging) two beside each other until one has
/// content, keeps the deadlines, and tells breakers and metrics. One per worker.
class ModelCall {
  public:
    struct Parts {
        Resilience& resilience;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        base::Random& random;
        telemetry::Metrics& metrics;
    };

    /// `must_go_on`: the answer continues a text that the client has. What `parts` refers to, and `asker`, outlive it.
    ModelCall(Parts parts, ModelRoute route, bool must_go_on, Asker& asker, std::stop_token stop);

    /// Chooses the target of the first call. `so_far`: of the answer, which another call has begun that is not told
    /// of. `upstream_unavailable` with retry_after: the breakers of all are open.
    base::Result<void> choose_first(SoFar so_far = SoFar::nothing);
    /// The request does not fit the chosen target: chooses the next one. False: there is none.
    bool choose_next();
    /// Calls until the answer is whole, or nothing is left to try; `deadline` is for all together.
    async::Task<void> run(base::Deadline deadline);
    /// How it came out, after `run`.
    Attempt<chat::StopReason> outcome() const;

    const std::vector<ModelRef>& targets() const { return route_.targets; }
    /// The target that is being called, or was called last.
    const ModelRef& target() const { return route_.targets[policy_.latest().target]; }
    /// The target whose content was shown last; where there was none, as `target`.
    const ModelRef& answering() const { return shown_by_ ? route_.targets[*shown_by_] : target(); }
    /// In the order of the calls.
    const std::vector<AttemptRecord>& attempts() const { return attempts_; }

  private:
    struct StopLane {
        std::stop_source lane;
        void operator()() { lane.request_stop(); }
    };
    // Of a lane whose call is a task of its own.
    struct Race {
        Race(const std::stop_token& all, std::shared_ptr<async::Waiter> awaited)
            : waiter(std::move(awaited)), stops_with_all(all, StopLane{stop}) {}

        std::stop_source stop;
        std::shared_ptr<async::Waiter> waiter;
        std::stop_callback<StopLane> stops_with_all;  // also after it
        std::exception_ptr bug;
    };
    // A call up to its first content. A race's is shared with the task that makes it.
    struct Lane {
        const ModelRef* target = nullptr;
        std::size_t record = 0;
        base::SteadyTime began;
        std::unique_ptr<Race> race;
        std::unique_ptr<AnswerStream> stream;
        chat::AnswerEvents steps;
        std::optional<chat::Usage> usage;
        std::unique_ptr<Failure> failure;  // a stream may last for minutes: small while all is well
        bool is_called = false;            // and has a record
        bool is_done = false;
    };

    async::Task<void> attempt();
    async::Task<std::optional<ModelRequest>> prepare(Lane& lane, Step step);
    void add_record(Lane& lane, std::size_t target);
    static async::Task<void> begin(Lane& lane, const ModelRequest& request, std::stop_token stop,
                                   base::Deadline deadline);
    static async::Task<void> begin_in_race(std::shared_ptr<Lane> lane, ModelRequest request, base::Deadline deadline);
    void join_race(const std::shared_ptr<Lane>& lane, std::shared_ptr<async::Waiter> waiter, ModelRequest request);
    [[gnu::noinline]] static bool opened(Lane& lane, Attempt<std::unique_ptr<AnswerStream>>&& stream);
    [[gnu::noinline]] static void came(Lane& lane, Attempt<void>&& read);
    async::Task<void> open();
    async::Task<void> race();
    std::optional<base::Milliseconds> hedge_delay() const;
    async::Task<bool> start_second(std::shared_ptr<Lane>& lane);
    void settle_race(const std::shared_ptr<Lane>& winner, const std::shared_ptr<Lane>& loser);
    void content_came();
    [[gnu::noinline]] bool room_was_made(base::Result<void>&& room);
    [[gnu::noinline]] bool was_shown();
    async::Task<bool> pause(base::Milliseconds time);
    [[gnu::noinline]] void end_record(Lane& lane);
    [[gnu::noinline]] bool goes_on();
    base::Deadline first_token_deadline(const Lane& lane) const;
    base::SteadyTime now() const { return parts_.clock.steady(); }

    const Parts parts_;
    const ModelRoute route_;
    Asker& asker_;
    const std::stop_token stop_;
    AttemptPolicy policy_;
    std::vector<AttemptRecord> attempts_;
    std::shared_ptr<Lane> lane_;
    SoFar begun_ = SoFar::nothing;         // before the first call
    std::optional<std::size_t> shown_by_;  // the target whose content was shown last
    base::Errc shown_until_ = base::Errc::internal;
    base::Deadline deadline_;
    std::unique_ptr<base::Error> ours_;  // an error of the asker's, which ends the call
};

}  // namespace tertulia::models
