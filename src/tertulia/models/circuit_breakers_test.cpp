#include "tertulia/models/circuit_breakers.h"

#include <gtest/gtest.h>

#include "tertulia/models/retry_budget.h"

namespace tertulia::models {
namespace {

using std::chrono::milliseconds;

class CircuitBreakersTest : public testing::Test {
  protected:
    void fail(int times) {
        for (int i = 0; i < times; ++i) breakers.failed("a", now);
    }
    bool enter() { return breakers.enter("a", now); }

    CircuitBreakers breakers{{.failures = 3, .probe = milliseconds(100)}};
    base::SteadyTime now = base::SteadyTime() + std::chrono::hours(1);
};

TEST_F(CircuitBreakersTest, OpensAfterSoManyFailuresInARow) {
    fail(2);
    breakers.succeeded("a");
    fail(2);
    EXPECT_TRUE(enter());
    EXPECT_TRUE(breakers.is_closed("a"));
    fail(1);
    EXPECT_FALSE(enter());
    EXPECT_FALSE(breakers.is_closed("a"));
    EXPECT_TRUE(breakers.enter("b", now)) << "each provider has its own";
    EXPECT_EQ(breakers.open_until("a", now), now + milliseconds(100));
}

TEST_F(CircuitBreakersTest, OneProbeMayGoFromTimeToTime) {
    fail(3);
    now += milliseconds(99);
    EXPECT_FALSE(enter());
    now += milliseconds(1);
    EXPECT_TRUE(enter());
    EXPECT_FALSE(enter()) << "the probe is under way";
    now += milliseconds(100);
    EXPECT_TRUE(enter()) << "one that never comes back does not keep the next away";
}

TEST_F(CircuitBreakersTest, AProbeThatFailsDoublesTheTimeUpToFourfold) {
    fail(3);
    for (const int interval : {100, 200, 400, 400}) {
        now += milliseconds(interval - 1);
        EXPECT_FALSE(enter()) << interval;
        now += milliseconds(1);
        EXPECT_TRUE(enter()) << interval;
        fail(1);
    }
}

TEST_F(CircuitBreakersTest, CallsThatWereUnderWayDoNotPutTheProbeOff) {
    fail(3);
    for (int i = 0; i < 10; ++i) {
        now += milliseconds(9);
        fail(1);
    }
    now += milliseconds(10);
    EXPECT_TRUE(enter());
}

TEST_F(CircuitBreakersTest, AnAnswerClosesIt) {
    fail(3);
    now += milliseconds(100);
    EXPECT_TRUE(enter());
    breakers.answered("a");
    EXPECT_TRUE(enter());
    EXPECT_TRUE(enter());
    fail(2);
    EXPECT_TRUE(enter());
}

TEST_F(CircuitBreakersTest, AnswersThatBeginAndBreakStillOpenIt) {
    for (int i = 0; i < 3; ++i) {
        breakers.answered("a");
        fail(1);
    }
    EXPECT_FALSE(enter());
}

TEST_F(CircuitBreakersTest, NoneWhereTheyAreOff) {
    CircuitBreakers off({.failures = 0});
    for (int i = 0; i < 100; ++i) off.failed("a", now);
    EXPECT_TRUE(off.enter("a", now));
}

TEST(RetryBudget, BeginsWithTenAndGainsAShareOfEachRequest) {
    RetryBudget budget(0.2);
    const auto taken = [&budget] {
        int count = 0;
        while (budget.take()) ++count;
        return count;
    };
    EXPECT_EQ(taken(), 10);
    for (int i = 0; i < 100; ++i) budget.request_came();
    EXPECT_NEAR(taken(), 20, 1);
    RetryBudget unlimited(1.0);
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(unlimited.take());
}

}  // namespace
}  // namespace tertulia::models
