#include "tertulia/models/attempt_policy.h"

#include <algorithm>
#include <utility>

namespace tertulia::models {

AttemptPolicy::AttemptPolicy(RetrySettings settings, std::vector<Target> targets, bool must_go_on,
                             CircuitBreakers& breakers, RetryBudget& budget)
    : settings_(settings), must_go_on_(must_go_on), breakers_(breakers), budget_(budget) {
    targets_.reserve(targets.size());
    for (const Target& target : targets) targets_.push_back({.target = target});
}

Step AttemptPolicy::call(std::size_t target, SoFar so_far, base::Milliseconds wait) {
    State& state = targets_[target];
    ++state.calls;
    Step step{.what = Step::What::call, .target = target, .less_context = has_tried_less_, .wait = wait};
    const bool goes_on = must_go_on_ || so_far == SoFar::text;
    if (goes_on && state.target.takes_prefill && !state.refuses_prefill)
        step.form = Form::prefill;
    else if (goes_on && (must_go_on_ || !state.refuses_instruction))
        step.form = Form::instruction;
    step.restarts = so_far != SoFar::nothing && step.form == Form::whole;
    state.form = step.form;
    return latest_ = step;
}

Step AttemptPolicy::first(base::SteadyTime now, SoFar so_far) {
    for (std::size_t i = 0; i < targets_.size(); ++i)
        if (breakers_.enter(targets_[i].target.provider, now)) return call(i, so_far);
    return {};
}

Step AttemptPolicy::hedge(base::SteadyTime now) {
    return next_target(SoFar::nothing, now);
}

Step AttemptPolicy::next_target(SoFar so_far, base::SteadyTime now) {
    for (std::size_t i = latest_.target + 1; i < targets_.size(); ++i)
        if (breakers_.enter(targets_[i].target.provider, now)) return call(i, so_far);
    return {};
}

Step AttemptPolicy::again(const Failure& failure, SoFar so_far, base::SteadyTime now, double random,
                          base::Deadline until) {
    const State& state = targets_[latest_.target];
    const auto asked = failure.error.retry_after.value_or(base::Milliseconds(0));
    if (state.calls >= settings_.attempts || asked > longest_wait) return {};
    base::Milliseconds most = settings_.base;
    for (std::int64_t i = 1; i < state.calls && most < settings_.max; ++i) most *= 2;
    most = std::min(most, settings_.max);
    const base::Milliseconds jitter(static_cast<std::int64_t>(random * static_cast<double>(most.count())));
    const base::Milliseconds wait = std::max(jitter, asked);
    if (until.passed(now + wait) || !breakers_.enter(state.target.provider, now) || !budget_.take()) return {};
    return call(latest_.target, so_far, wait);
}

Step AttemptPolicy::next(const Failure& failure, bool had_content, SoFar so_far, base::SteadyTime now, double random,
                         base::Deadline until) {
    if (must_go_on_ && so_far == SoFar::other) return {};
    State& state = targets_[latest_.target];
    switch (failure.kind) {
        case FailureKind::stopped:
            return {};
        case FailureKind::rejected:
            // Nothing of a call that was refused has been shown: the same target may take another form.
            if (latest_.form == Form::prefill && !std::exchange(state.refuses_prefill, true))
                return call(latest_.target, so_far);
            if (latest_.form == Form::instruction && !must_go_on_ && !std::exchange(state.refuses_instruction, true))
                return call(latest_.target, so_far);
            return {};
        case FailureKind::context_too_long:
            if (const Step step = next_target(so_far, now); step.is_call()) return step;
            if (std::exchange(has_tried_less_, true)) return {};
            return call(latest_.target, so_far);
        case FailureKind::overloaded:
        case FailureKind::unreachable:
        case FailureKind::broken:
            if (!had_content)
                if (const Step step = again(failure, so_far, now, random, until); step.is_call()) return step;
            return next_target(so_far, now);
        default:
            return next_target(so_far, now);
    }
}

std::optional<base::SteadyTime> AttemptPolicy::open_until(base::SteadyTime now) const {
    std::optional<base::SteadyTime> first;
    for (const State& state : targets_)
        if (const auto until = breakers_.open_until(state.target.provider, now))
            first = std::min(first.value_or(*until), *until);
    return first;
}

}  // namespace tertulia::models
