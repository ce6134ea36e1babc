#include "tertulia/billing/budgets.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace tertulia::billing {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t now = 1'732'271'400'000'000;  // 2024-11-22T10:30:00Z
constexpr std::int64_t day_us = 86'400'000'000;
constexpr std::int64_t today = now / day_us * day_us;

BudgetRule rule(BudgetScope scope, BudgetPeriod period, std::int64_t limit, std::string name = "*") {
    return {.scope = scope, .name = std::move(name), .period = period, .limit_nano = limit};
}

TEST(Budget, a_window_is_a_day_or_a_month_in_utc_or_a_session) {
    EXPECT_EQ(window_of(rule(BudgetScope::owner, BudgetPeriod::day, 1), "o", "s", now),
              (BudgetWindow{.owner = "o", .from_us = today, .to_us = today + day_us}));
    EXPECT_EQ(window_of(rule(BudgetScope::owner, BudgetPeriod::month, 1), "o", "s", now),
              (BudgetWindow{.owner = "o", .from_us = today - 21 * day_us, .to_us = today + 9 * day_us}));
    EXPECT_EQ(window_of(rule(BudgetScope::session, BudgetPeriod::day, 1), "o", "s", today),
              (BudgetWindow{.owner = "o", .session_id = "s", .from_us = today, .to_us = today + day_us}));
    for (const BudgetScope scope : {BudgetScope::owner, BudgetScope::session}) {
        const BudgetWindow window = window_of(rule(scope, BudgetPeriod::session, 1), "o", "s", now);
        EXPECT_EQ(window, (BudgetWindow{.owner = "o", .session_id = "s"}));
        EXPECT_TRUE(window.is_of_session());
    }
    // December's end is the year's.
    constexpr std::int64_t december = 1'733'400'000'000'000;
    EXPECT_EQ(window_of(rule(BudgetScope::owner, BudgetPeriod::month, 1), "o", "s", december).to_us,
              1'735'689'600'000'000);
}

TEST(Budgets, without_one_that_applies_everything_may_be_spent) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 10, "other"),
                     rule(BudgetScope::session, BudgetPeriod::day, 10, "other")});
    EXPECT_FALSE(budgets.apply_to("o", "s"));
    EXPECT_TRUE(budgets.apply_to("other", "s"));
    EXPECT_TRUE(budgets.apply_to("o", "other"));
    EXPECT_THAT(budgets.unknown("o", "s", now), IsEmpty());
    const auto reservation = budgets.reserve("o", "s", 1'000'000, now);
    ASSERT_TRUE(reservation);
    EXPECT_TRUE(reservation->is_empty());
}

TEST(Budgets, what_is_set_aside_is_settled_or_given_back) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 100)});
    auto first = budgets.reserve("o", "s", 60, now);
    ASSERT_TRUE(first);
    EXPECT_FALSE(budgets.reserve("o", "s", 41, now));
    {
        const auto second = budgets.reserve("o", "s", 40, now);
        EXPECT_TRUE(second);
        EXPECT_FALSE(budgets.reserve("o", "s", 1, now));
    }
    EXPECT_TRUE(budgets.reserve("o", "s", 40, now));
    first->settle(5);
    first->settle(1'000);  // does nothing
    EXPECT_TRUE(budgets.reserve("o", "s", 95, now));
    EXPECT_FALSE(budgets.reserve("o", "s", 96, now));
    // Another owner, another day.
    EXPECT_TRUE(budgets.reserve("p", "s", 100, now));
    EXPECT_TRUE(budgets.reserve("o", "s", 100, now + day_us));
}

TEST(Budgets, a_reservation_moves_and_settles_once) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 100)});
    Reservation kept;
    {
        Reservation made = budgets.reserve("o", "s", 60, now).value();
        kept = std::move(made);
    }
    EXPECT_FALSE(budgets.reserve("o", "s", 41, now));
    kept = budgets.reserve("o", "s", 40, now).value();  // gives the first one back
    EXPECT_TRUE(budgets.reserve("o", "s", 60, now));
    kept.settle(40);
    EXPECT_FALSE(budgets.reserve("o", "s", 61, now));
}

TEST(Budgets, more_than_was_set_aside_may_be_spent_and_then_nothing_is_left) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 100)});
    budgets.reserve("o", "s", 60, now)->settle(250);
    const auto refused = budgets.reserve("o", "s", 1, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().budget->left_nano, 0);
}

TEST(Budgets, all_that_apply_must_have_room_and_the_scarcest_is_named) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::month, 100),
                     rule(BudgetScope::owner, BudgetPeriod::day, 50),
                     rule(BudgetScope::session, BudgetPeriod::session, 20)});
    const auto refused = budgets.reserve("o", "s", 101, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::budget_exceeded);
    EXPECT_EQ(refused.error().budget, (base::BudgetLeft{.left_nano = 20}));
    budgets.reserve("o", "a", 20, now)->settle(20);
    budgets.reserve("o", "b", 20, now)->settle(20);
    const auto by_day = budgets.reserve("o", "c", 20, now);
    ASSERT_FALSE(by_day);
    EXPECT_EQ(by_day.error().budget, (base::BudgetLeft{.left_nano = 10, .renews_at_us = today + day_us}));
    EXPECT_THAT(by_day.error().message, testing::HasSubstr("0.000000010"));
    // A refused one has set nothing aside in the others.
    EXPECT_TRUE(budgets.reserve("o", "c", 10, now));
}

TEST(Budgets, two_rules_of_one_window_count_the_same_money_once) {
    Budgets budgets(
        {rule(BudgetScope::owner, BudgetPeriod::day, 100), rule(BudgetScope::owner, BudgetPeriod::day, 70, "o")});
    EXPECT_EQ(budgets.unknown("o", "s", now).size(), 1U);
    EXPECT_TRUE(budgets.reserve("o", "s", 70, now));
    EXPECT_FALSE(budgets.reserve("o", "s", 71, now));
}

TEST(Budgets, what_the_ledger_knows_is_asked_once) {
    Budgets budgets(
        {rule(BudgetScope::owner, BudgetPeriod::day, 100), rule(BudgetScope::session, BudgetPeriod::day, 80)});
    const auto windows = budgets.unknown("o", "s", now);
    EXPECT_THAT(windows,
                ElementsAre(BudgetWindow{.owner = "o", .from_us = today, .to_us = today + day_us},
                            BudgetWindow{.owner = "o", .session_id = "s", .from_us = today, .to_us = today + day_us}));
    budgets.set_spent(windows[0], 90);
    budgets.set_spent(windows[1], 10);
    EXPECT_THAT(budgets.unknown("o", "s", now), IsEmpty());
    EXPECT_EQ(budgets.unknown("o", "r", now).size(), 1U);
    EXPECT_FALSE(budgets.reserve("o", "s", 11, now));
    budgets.reserve("o", "s", 10, now)->settle(4);
    budgets.set_spent(windows[0], 0);  // comes too late
    EXPECT_FALSE(budgets.reserve("o", "s", 7, now));
    EXPECT_TRUE(budgets.reserve("o", "s", 6, now));
}

TEST(Budgets, many_windows_are_forgotten_once_they_are_over) {
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 100)});
    for (int i = 0; i < 1'100; ++i) budgets.reserve("o" + std::to_string(i), "s", 1, now)->settle(1);
    EXPECT_THAT(budgets.unknown("o0", "s", now), IsEmpty());
    for (int i = 0; i < 3'000; ++i) budgets.reserve("o" + std::to_string(i), "s", 1, now + day_us)->settle(1);
    EXPECT_EQ(budgets.unknown("o0", "s", now).size(), 1U);
    EXPECT_THAT(budgets.unknown("o0", "s", now + day_us), IsEmpty());
}

// A budget for ten: of 200 that ask at once ten get it, and never more than ten at a time.
TEST(Budgets, many_at_once_overspend_by_nothing) {
    constexpr std::int64_t price = 7;
    Budgets budgets({rule(BudgetScope::owner, BudgetPeriod::day, 10 * price),
                     rule(BudgetScope::owner, BudgetPeriod::month, 10 * price)});
    std::atomic<int> granted = 0;
    std::atomic<int> asked = 0;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 50; ++i) {
                    ++asked;
                    auto reservation = budgets.reserve("o", "s" + std::to_string(i), price, now);
                    if (!reservation) continue;
                    // Every third one is not billed, and its money goes to another.
                    if (i % 3 == 0) continue;
                    reservation->settle(price);
                    ++granted;
                }
            });
    }
    EXPECT_EQ(asked, 200);
    EXPECT_EQ(granted, 10);
    const auto refused = budgets.reserve("o", "s", 1, now);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().budget->left_nano, 0);
}

}  // namespace
}  // namespace tertulia::billing
