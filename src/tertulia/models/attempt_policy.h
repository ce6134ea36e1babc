// What is tried after a failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/models/circuit_breakers.h"
#include "tertulia/models/provider.h"
#include "tertulia/models/retry_budget.h"

namespace tertulia::models {

/// Value.
struct RetrySettings {
    /// Calls of one target, the first included.
    std::int64_t attempts = 3;
    /// A retry waits a random part of this, doubled by every further one of the same target up to `max`.
    base::Milliseconds base{200};
    base::Milliseconds max{5000};
};

/// How a model is asked.
enum class Form : std::uint8_t {
    whole,        ///< for the whole answer
    prefill,      ///< to go on from the answer so far, which is its last message
    instruction,  ///< the same, by words, for models that take no beginning of their answer
};

/// What there is of the answer before a call.
enum class SoFar : std::uint8_t {
    nothing,
    text,   ///< an answer can go on from it
    other,  ///< it cannot: a tool call has begun
};

/// What to do next. Value.
struct Step {
    enum class What : std::uint8_t { call, give_up };
    What what = What::give_up;
    std::size_t target = 0;
    Form form = Form::whole;
    /// With about half of the history.
    bool less_context = false;
    /// What was shown of the answer is void: this call begins it anew.
    bool restarts = false;
    base::Milliseconds wait{0};

    bool is_call() const { return what == What::call; }
};

/// Decides which target is called when, in which form, and when it is enough. Plain: the loop that obeys it (ModelCall)
/// tells it the time and a random number. Belongs to one turn; the breakers and the budget are shared.
///
/// - overloaded, unreachable, broken, before any content: the same target again, `attempts` times in all, after the
/// time
///   that the provider asked for or a random one (full jitter), as long as the retry budget lasts; then the next
///   target. A provider that asks for more than `longest_wait` loses the call to the next target at once.
/// - the same with content, denied, quota, failed, timed_out, context_too_long: the next target, which goes on from the
///   text so far. The last target of all is asked once more with less context where that was too long.
/// - rejected: another form, where the answer goes on from a text; else it is enough.
///
/// Targets whose breaker is open are passed over. Value.
class AttemptPolicy {
  public:
    static constexpr base::Milliseconds longest_wait{30'000};

    struct Target {
        /// What its breaker goes by; outlives the policy.
        std::string_view provider;
        bool takes_prefill = false;
    };
    /// `must_go_on`: the answer continues a text that the client has; it never begins anew.
    AttemptPolicy(RetrySettings settings, std::vector<Target> targets, bool must_go_on, CircuitBreakers& breakers,
                  RetryBudget& budget);

    /// The first call; give_up: every target's breaker is open.
    Step first(base::SteadyTime now, SoFar so_far = SoFar::nothing);
    /// A second target that may be called beside the first; give_up: there is none.
    Step hedge(base::SteadyTime now);
    /// After a call of the latest step's target failed. `had_content`: that call had given some. `random`: from 0 to 1.
    /// A wait that does not end before `until` (the turn's) is none.
    Step next(const Failure& failure, bool had_content, SoFar so_far, base::SteadyTime now, double random,
              base::Deadline until = {});
    /// The hedge or the first call won: what comes next comes after that one.
    void now_at(std::size_t target) {
        latest_.target = target;
        latest_.form = targets_[target].form;
    }

    const Step& latest() const { return latest_; }
    /// When the first of the breakers lets a probe through.
    std::optional<base::SteadyTime> open_until(base::SteadyTime now) const;

  private:
    struct State {
        Target target;
        std::int64_t calls = 0;
        Form form = Form::whole;  // of the latest call
        bool refuses_prefill = false;
        bool refuses_instruction = false;
    };

    Step call(std::size_t target, SoFar so_far, base::Milliseconds wait = {});
    Step next_target(SoFar so_far, base::SteadyTime now);
    Step again(const Failure& failure, SoFar so_far, base::SteadyTime now, double random, base::Deadline until);

    const RetrySettings settings_;
    std::vector<State> targets_;
    const bool must_go_on_;
    CircuitBreakers& breakers_;
    RetryBudget& budget_;
    Step latest_;
    bool has_tried_less_ = false;
};

}  // namespace tertulia::models
