#include "tertulia/sessions/spending.h"

#include <gmock/gmock.h>

#include "tertulia/async/worker.h"
#include "tertulia/storage/memory_store.h"
#include "tests/support/manual_clock.h"

namespace tertulia::sessions {
namespace {

using billing::BudgetPeriod;
using billing::BudgetScope;

// gpt-5-mini: 250 nano-dollars for a token of input, 2000 for one of output.
constexpr const char* model = "openai/gpt-5-mini";
const TurnName key{{"local", "s"}, "t"};

class SpendingTest : public testing::Test {
  protected:
    SpendingTest() { worker.start("test"); }
    ~SpendingTest() override {
        worker.context().stop();
        worker.join();
    }

    Spending& with(std::vector<billing::BudgetRule> rules) {
        budgets.emplace(std::move(rules));
        return spending.emplace(prices, *budgets, store, clock);
    }
    template <class T>
    T run(async::Task<T> task) {
        std::optional<T> value;
        worker.run_until_done([](async::Task<T> task, std::optional<T>& value) -> async::Task<void> {
            value.emplace(co_await std::move(task));
        }(std::move(task), value));
        return std::move(*value);
    }
    // A turn of session `id` that cost so much, some time ago.
    void spent(const std::string& id, std::int64_t nano, std::int64_t seconds_ago, bool is_hedge = false) {
        const std::int64_t ended = clock.wall_us() - seconds_ago * 1'000'000;
        TurnStart start{.key = {"local", id}};
        start.message = {.timestamp = base::format_timestamp(ended - 1), .turn_id = id};
        ASSERT_TRUE(run(store.begin_turn(std::move(start))));
        TurnEnd end{.key = {"local", id}, .bills = {{.model = model, .cost_nano = nano, .is_hedge = is_hedge}}};
        const std::string at = base::format_timestamp(ended);
        end.message = {.role = chat::Role::assistant, .timestamp = at, .created_at = at, .turn_id = id};
        ASSERT_TRUE(run(store.end_turn(std::move(end))));
    }

    async::Worker worker{[](const std::string& what) { ADD_FAILURE() << what; }};
    test::ManualClock clock;  // 2024-11-22T10:30:00Z
    storage::MemoryStore store;
    billing::Prices prices{clock};
    std::optional<billing::Budgets> budgets;
    std::optional<Spending> spending;
};

TEST_F(SpendingTest, without_a_budget_nothing_is_set_aside_and_no_price_is_needed) {
    Spending& all = with({});
    auto reserved = run(all.reserve(key, 0, "local/unknown", 1'000'000, 1'000'000));
    ASSERT_TRUE(reserved);
    EXPECT_TRUE(reserved->is_empty());
    const billing::Bill bill = all.settle(std::move(*reserved), {.model = model, .usage = {.input = 2, .output = 1}});
    EXPECT_EQ(bill.cost_nano, 2'500);
    EXPECT_EQ(all.settle({}, {.model = "local/unknown", .usage = {.input = 2}}).cost_nano, std::nullopt);
}

TEST_F(SpendingTest, the_worst_case_is_set_aside_and_settled_with_what_it_cost) {
    Spending& all = with({{.limit_nano = 2'250 * 2}});
    auto first = run(all.reserve(key, 0, model, 1, 1));
    ASSERT_TRUE(first);
    auto second = run(all.reserve(key, 0, model, 1, 1));
    ASSERT_TRUE(second);
    const auto third = run(all.reserve(key, 0, model, 1, 0));
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().code, base::Errc::budget_exceeded);
    EXPECT_EQ(third.error().budget->left_nano, 0);
    EXPECT_EQ(all.settle(std::move(*first), {.model = model, .usage = {.input = 1}}).cost_nano, 250);
    EXPECT_TRUE(run(all.reserve(key, 0, model, 0, 1)));
    EXPECT_FALSE(run(all.reserve(key, 0, model, 1, 1)));
}

TEST_F(SpendingTest, under_a_budget_a_model_without_a_price_is_refused) {
    Spending& all = with({{.limit_nano = 1'000'000'000}});
    const auto refused = run(all.reserve(key, 0, "local/unknown", 1, 1));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::invalid_request);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("local/unknown"));
}

TEST_F(SpendingTest, what_the_ledger_holds_counts_hedges_included) {
    spent("yesterday", 500, 11 * 3600);
    spent("today", 300, 3600);
    spent("hedge", 200, 1800, true);
    Spending& all = with({{.limit_nano = 1'000}});
    EXPECT_FALSE(run(all.reserve(key, 0, model, 2 + 1, 0)));
    EXPECT_TRUE(run(all.reserve(key, 0, model, 2, 0)));
}

TEST_F(SpendingTest, a_month_counts_yesterday_too) {
    spent("yesterday", 500, 11 * 3600);
    Spending& all = with({{.period = BudgetPeriod::month, .limit_nano = 1'000}});
    EXPECT_FALSE(run(all.reserve(key, 0, model, 3, 0)));
    EXPECT_TRUE(run(all.reserve(key, 0, model, 2, 0)));
}

TEST_F(SpendingTest, a_session_brings_what_it_has_spent_along) {
    Spending& all = with({{.scope = BudgetScope::session, .period = BudgetPeriod::session, .limit_nano = 1'000}});
    EXPECT_FALSE(run(all.reserve(key, 751, model, 1, 0)));
    EXPECT_TRUE(run(all.reserve({{"local", "other"}, "t"}, 750, model, 1, 0)));
    // Known by now.
    EXPECT_FALSE(run(all.reserve(key, 0, model, 1, 0)));
}

TEST_F(SpendingTest, a_sessions_day_is_its_own) {
    spent("a", 900, 60);
    spent("b", 100, 30);
    Spending& all = with({{.scope = BudgetScope::session, .limit_nano = 1'000}});
    EXPECT_FALSE(run(all.reserve({{"local", "a"}, "t"}, 900, model, 1, 0)));
    EXPECT_TRUE(run(all.reserve({{"local", "b"}, "t"}, 100, model, 3, 0)));
}

}  // namespace
}  // namespace tertulia::sessions
