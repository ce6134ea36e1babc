#include "tertulia/models/attempt_policy.h"

#include <gtest/gtest.h>

namespace tertulia::models {
namespace {

using std::chrono::milliseconds;
using Kind = FailureKind;

Failure failure(Kind kind, std::optional<milliseconds> retry_after = {}) {
    return {kind, {.code = base::Errc::upstream_unavailable, .message = "no", .retry_after = retry_after}};
}

// Three targets a, b and c, of which b takes the beginning of an answer.
class AttemptPolicyTest : public testing::Test {
  protected:
    AttemptPolicy policy(bool must_go_on = false, std::size_t targets = 3) {
        std::vector<AttemptPolicy::Target> all{{"a", false}, {"b", true}, {"c", false}};
        all.resize(targets);
        return {
            {.attempts = 3, .base = milliseconds(200), .max = milliseconds(500)}, all, must_go_on, breakers, budget};
    }
    Step next(AttemptPolicy& policy, Kind kind, SoFar so_far = SoFar::nothing,
              std::optional<milliseconds> retry_after = {}) {
        return policy.next(failure(kind, retry_after), so_far != SoFar::nothing, so_far, now, 0.5);
    }

    CircuitBreakers breakers{{.failures = 5}};
    RetryBudget budget{1.0};
    base::SteadyTime now = base::SteadyTime() + std::chrono::hours(1);
};

TEST_F(AttemptPolicyTest, WhatIsTriedAfterAFailureBeforeAnyContent) {
    const struct {
        Kind kind;
        bool is_call;
        std::size_t target;
    } table[] = {
        {Kind::overloaded, true, 0},       {Kind::unreachable, true, 0}, {Kind::broken, true, 0},
        {Kind::failed, true, 1},           {Kind::timed_out, true, 1},   {Kind::quota, true, 1},
        {Kind::context_too_long, true, 1}, {Kind::denied, true, 1},      {Kind::rejected, false, 0},
        {Kind::stopped, false, 0},
    };
    for (const auto& row : table) {
        AttemptPolicy three = policy();
        EXPECT_EQ(three.first(now).target, 0u);
        const Step step = next(three, row.kind);
        EXPECT_EQ(step.is_call(), row.is_call) << static_cast<int>(row.kind);
        if (!row.is_call) continue;
        EXPECT_EQ(step.target, row.target) << static_cast<int>(row.kind);
        EXPECT_EQ(step.form, Form::whole);
        EXPECT_FALSE(step.restarts);
    }
}

TEST_F(AttemptPolicyTest, OneTargetIsAskedThreeTimesWithALongerWaitEachTime) {
    AttemptPolicy three = policy();
    three.first(now);
    EXPECT_EQ(next(three, Kind::overloaded).wait, milliseconds(100));
    EXPECT_EQ(next(three, Kind::overloaded).wait, milliseconds(200));
    const Step other = next(three, Kind::overloaded);
    EXPECT_EQ(other.target, 1u);
    EXPECT_EQ(other.wait, milliseconds(0));
    EXPECT_EQ(next(three, Kind::broken).target, 1u);
    EXPECT_EQ(next(three, Kind::broken).target, 1u);
    EXPECT_EQ(next(three, Kind::broken).target, 2u);
    EXPECT_EQ(next(three, Kind::timed_out).what, Step::What::give_up);
}

TEST_F(AttemptPolicyTest, TheWaitThatAProviderAsksForIsKeptUpToHalfAMinute) {
    AttemptPolicy three = policy();
    three.first(now);
    EXPECT_EQ(next(three, Kind::overloaded, SoFar::nothing, milliseconds(2000)).wait, milliseconds(2000));
    EXPECT_EQ(next(three, Kind::overloaded, SoFar::nothing, milliseconds(30'001)).target, 1u);
    AttemptPolicy one = policy(false, 1);
    one.first(now);
    EXPECT_FALSE(next(one, Kind::overloaded, SoFar::nothing, milliseconds(31'000)).is_call());
}

TEST_F(AttemptPolicyTest, AWaitThatTheTurnHasNoTimeForIsLeftToTheNextTarget) {
    AttemptPolicy three = policy();
    three.first(now);
    const Failure asks = failure(Kind::overloaded, milliseconds(2000));
    EXPECT_EQ(three.next(asks, false, SoFar::nothing, now, 0.5, base::Deadline(now + milliseconds(1000))).target, 1u);
}

TEST_F(AttemptPolicyTest, RetriesEndWithTheirBudget) {
    RetryBudget small(0.0);
    AttemptPolicy three({.attempts = 100}, {{"a", false}, {"b", false}}, false, breakers, small);
    three.first(now);
    int calls = 0;
    while (next(three, Kind::overloaded).target == 0) ++calls;
    EXPECT_EQ(calls, 10);
}

TEST_F(AttemptPolicyTest, InMidStreamTheNextTargetGoesOn) {
    for (const Kind kind : {Kind::broken, Kind::timed_out, Kind::overloaded, Kind::failed}) {
        AttemptPolicy three = policy();
        three.first(now);
        Step step = next(three, kind, SoFar::text);
        EXPECT_EQ(step.target, 1u);
        EXPECT_EQ(step.form, Form::prefill);
        step = next(three, kind, SoFar::text);
        EXPECT_EQ(step.target, 2u);
        EXPECT_EQ(step.form, Form::instruction) << "c takes no prefill";
        EXPECT_FALSE(step.restarts);
        EXPECT_FALSE(next(three, kind, SoFar::text).is_call());
    }
}

TEST_F(AttemptPolicyTest, ATargetThatRefusesOneFormIsAskedInTheNext) {
    AttemptPolicy three = policy();
    three.first(now);
    next(three, Kind::broken, SoFar::text);
    Step step = next(three, Kind::rejected, SoFar::text);
    EXPECT_EQ(step.target, 1u);
    EXPECT_EQ(step.form, Form::instruction);
    step = next(three, Kind::rejected, SoFar::text);
    EXPECT_EQ(step.target, 1u);
    EXPECT_EQ(step.form, Form::whole);
    EXPECT_TRUE(step.restarts);
    EXPECT_FALSE(next(three, Kind::rejected, SoFar::text).is_call());
}

TEST_F(AttemptPolicyTest, WhatCannotGoOnBeginsAnew) {
    AttemptPolicy three = policy();
    three.first(now);
    const Step step = next(three, Kind::broken, SoFar::other);
    EXPECT_EQ(step.target, 1u);
    EXPECT_EQ(step.form, Form::whole);
    EXPECT_TRUE(step.restarts);
}

TEST_F(AttemptPolicyTest, AnAnswerThatMustGoOnNeverBeginsAnew) {
    AttemptPolicy two = policy(true, 2);
    EXPECT_EQ(two.first(now).form, Form::instruction);
    EXPECT_FALSE(next(two, Kind::rejected, SoFar::text).is_call());
    AttemptPolicy other = policy(true, 2);
    other.first(now);
    Step step = next(other, Kind::failed, SoFar::text);
    EXPECT_EQ(step.form, Form::prefill);
    step = next(other, Kind::rejected, SoFar::text);
    EXPECT_EQ(step.form, Form::instruction);
    EXPECT_FALSE(next(other, Kind::rejected, SoFar::text).is_call());
    AttemptPolicy calls_tool = policy(true, 2);
    calls_tool.first(now);
    EXPECT_FALSE(next(calls_tool, Kind::broken, SoFar::other).is_call());
}

TEST_F(AttemptPolicyTest, OnlyTheLastTargetIsAskedWithLess) {
    AttemptPolicy two = policy(false, 2);
    two.first(now);
    Step step = next(two, Kind::context_too_long);
    EXPECT_EQ(step.target, 1u);
    EXPECT_FALSE(step.less_context);
    step = next(two, Kind::context_too_long);
    EXPECT_EQ(step.target, 1u);
    EXPECT_TRUE(step.less_context);
    EXPECT_FALSE(next(two, Kind::context_too_long).is_call());
}

TEST_F(AttemptPolicyTest, TargetsWhoseBreakerIsOpenArePassedOver) {
    for (int i = 0; i < 5; ++i) breakers.failed("a", now);
    AttemptPolicy three = policy();
    EXPECT_EQ(three.first(now).target, 1u);
    for (int i = 0; i < 5; ++i) breakers.failed("b", now);
    EXPECT_EQ(next(three, Kind::overloaded).target, 2u) << "no retry where the breaker has opened";
    for (int i = 0; i < 5; ++i) breakers.failed("c", now + milliseconds(1));
    AttemptPolicy none = policy();
    EXPECT_FALSE(none.first(now).is_call());
    EXPECT_EQ(none.open_until(now), now + milliseconds(5000));
    EXPECT_EQ(policy().first(now + milliseconds(5000)).target, 0u) << "the probe";
}

TEST_F(AttemptPolicyTest, AHedgeIsTheNextTargetAndTheAnswerGoesOnAfterTheWinner) {
    AttemptPolicy three = policy();
    three.first(now);
    EXPECT_EQ(three.hedge(now).target, 1u);
    three.now_at(0);
    EXPECT_EQ(next(three, Kind::broken, SoFar::text).target, 1u);
}

TEST_F(AttemptPolicyTest, AfterAHedgeTheWinnersOwnFormCounts) {
    AttemptPolicy three = policy(true);
    EXPECT_EQ(three.first(now).form, Form::instruction);
    EXPECT_EQ(three.hedge(now).form, Form::prefill);
    three.now_at(0);
    EXPECT_FALSE(three.next(failure(Kind::rejected), false, SoFar::text, now, 0.5).is_call());
    three.now_at(1);
    EXPECT_EQ(three.next(failure(Kind::rejected), false, SoFar::text, now, 0.5).form, Form::instruction);
}

}  // namespace
}  // namespace tertulia::models
