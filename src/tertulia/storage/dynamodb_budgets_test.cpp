// Budgets that several processes count together in DynamoDB.
#include <gmock/gmock.h>

#include "tertulia/async/spawn.h"
#include "tertulia/sessions/spending.h"
#include "tests/support/dynamodb_stores.h"

namespace tertulia::tests {
namespace {

using base::Errc;

// gpt-5-mini: 250 nano-dollars for a token of input, 2000 for one of output.
constexpr const char* model = "openai/gpt-5-mini";

/// Processes that share tables and budgets, each with its own clock.
class DynamoBudgets : public testing::Test {
  protected:
    struct Process {
        Process(const DynamoOptions& options, std::vector<billing::BudgetRule> rules)
            : store(make_store(options, clock)), budgets(std::move(rules)) {}
        OwnClock clock;
        std::unique_ptr<DynamoStore> store;
        billing::Prices prices{clock};
        billing::Budgets budgets;
        sessions::Spending spending{prices, budgets, *store, clock};
    };
    void start(int processes, std::vector<billing::BudgetRule> rules, const char* variable = "TERTULIA_TEST_DYNAMODB",
               std::chrono::milliseconds lease = std::chrono::seconds(9)) {
        DynamoOptions options = options_for(variable);
        options.settings.lease = lease;
        options.settings.renew_after = std::chrono::hours(1);
        options.service.retry.throttled_base = std::chrono::milliseconds(20);
        for (int i = 0; i < processes; ++i) all.push_back(std::make_unique<Process>(options, rules));
    }
    using Reserved = base::Result<billing::Reservation>;
    // The worst case is `input` and `output` tokens.
    Reserved reserve(Process& process, const std::string& turn, std::int64_t input, std::int64_t output) {
        return runner.run(process.spending.reserve({{"local", turn}, turn}, 0, model, input, output));
    }
    void close(Process& process, const std::string& turn, Reserved& reserved, std::int64_t output) {
        process.spending.settle(std::move(*reserved), {.model = model, .usage = {.output = output}});
        runner.run_void(process.spending.close({{"local", turn}, turn}));
    }
    // What is left of the only budget.
    std::int64_t left(Process& process) {
        const auto refused = reserve(process, "asks", 0, 1'000'000);
        EXPECT_FALSE(refused);
        return refused ? -1 : refused.error().budget.value().left_nano;
    }
    // A turn in the session of its name that has begun in the process, and does not end.
    sessions::TurnEnd begin(Process& process, const std::string& turn) {
        const auto opened = runner.run(process.store->open_turn(
            {.turn = {{"local", turn}, turn}, .text = "question", .max_messages = 4, .max_bytes = 1000}));
        const std::string place = opened.value()->question_place;
        EXPECT_TRUE(runner.run(process.store->begin_turn(start_of(turn, turn, place))));
        return end_of(turn, turn, sessions::answer_place(place));
    }

    StoreRunner runner;
    std::vector<std::unique_ptr<Process>> all;
};

TEST_F(DynamoBudgets, two_hundred_of_four_processes_against_a_budget_for_ten) {
    start(4, {{.limit_nano = 10 * 2000 + 1999}});
    std::vector<std::optional<Reserved>> reserved(200);
    std::atomic<int> left_to_do = 200;
    std::promise<void> done;
    for (std::size_t i = 0; i < reserved.size(); ++i)
        async::spawn(
            runner.executor(),
            [](sessions::Spending& spending, std::string turn, std::optional<Reserved>& into) -> async::Task<void> {
                into.emplace(co_await spending.reserve({{"local", turn}, turn}, 0, model, 0, 1));
            }(all[i % 4]->spending, "t" + std::to_string(i), reserved[i]),
            [&](std::exception_ptr bug) {
                EXPECT_FALSE(bug);
                if (--left_to_do == 0) done.set_value();
            });
    done.get_future().wait();
    int held = 0;
    for (std::size_t i = 0; i < reserved.size(); ++i) {
        if (!*reserved[i]) {
            EXPECT_EQ(reserved[i]->error().code, Errc::budget_exceeded) << reserved[i]->error().message;
            continue;
        }
        ++held;
        close(*all[i % 4], "t" + std::to_string(i), *reserved[i], 1);
    }
    EXPECT_EQ(held, 10);
    EXPECT_EQ(left(*all[0]), 1999) << "what was spent, and no more";
    EXPECT_EQ(left(*all[3]), 1999);
}

TEST_F(DynamoBudgets, what_a_turn_held_becomes_what_it_spent) {
    start(2, {{.limit_nano = 100'000}, {.period = billing::BudgetPeriod::month, .limit_nano = 150'000}});
    Process& a = *all[0];
    Process& b = *all[1];
    auto first = reserve(a, "one", 0, 40);
    ASSERT_TRUE(first);
    EXPECT_EQ(left(b), 20'000);
    close(a, "one", first, 10);
    EXPECT_EQ(left(b), 80'000);
    auto second = reserve(b, "two", 0, 40);
    ASSERT_TRUE(second);
    EXPECT_FALSE(reserve(a, "three", 0, 1));
    close(b, "two", second, 60);  // more than was thought
    EXPECT_EQ(left(a), 0);
}

TEST_F(DynamoBudgets, in_all_budgets_or_in_none) {
    start(2, {{.limit_nano = 100'000}, {.period = billing::BudgetPeriod::month, .limit_nano = 50'000}});
    EXPECT_FALSE(reserve(*all[0], "one", 0, 30));
    auto small = reserve(*all[1], "two", 0, 25);
    ASSERT_TRUE(small);
    EXPECT_FALSE(reserve(*all[0], "three", 0, 1));
    close(*all[1], "two", small, 0);
    EXPECT_EQ(left(*all[0]), 100'000) << "of the day's";
}

TEST_F(DynamoBudgets, a_count_begins_with_what_the_ledger_knows) {
    start(1, {});
    sessions::TurnEnd end = begin(*all[0], "before");
    end.bills = {{.model = model, .usage = {.output = 10}, .cost_nano = 20'000}};
    ASSERT_TRUE(runner.run(all[0]->store->end_turn(std::move(end))));
    billing::Budgets budgets({{.limit_nano = 50'000}});
    sessions::Spending spending(all[0]->prices, budgets, *all[0]->store, all[0]->clock);
    const auto refused = runner.run(spending.reserve({{"local", "s"}, "t"}, 0, model, 0, 16));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().budget->left_nano, 30'000);
}

TEST_F(DynamoBudgets, a_turn_whose_process_is_gone_holds_nothing_for_long) {
    start(2, {{.limit_nano = 100'000}});
    Process& dead = *all[0];
    Process& other = *all[1];
    begin(dead, "cut");
    sessions::TurnEnd end = begin(dead, "ended");
    std::vector<Reserved> kept;
    kept.push_back(reserve(dead, "cut", 0, 20));
    kept.push_back(reserve(dead, "ended", 0, 20));
    kept.push_back(reserve(dead, "never", 0, 10));  // not even opened
    for (const Reserved& each : kept) ASSERT_TRUE(each);
    // It ended, and its process died before it could say what that cost.
    end.bills = {{.model = model, .usage = {.output = 5}, .cost_nano = 10'000}};
    ASSERT_TRUE(runner.run(dead.store->end_turn(std::move(end))));
    EXPECT_EQ(left(other), 0);
    other.clock.advance(std::chrono::seconds(30));
    EXPECT_EQ(left(other), 90'000);
    const auto cut = runner.run(other.store->turn({{"local", "cut"}, "cut"}));
    EXPECT_EQ(cut.value().value().answer.value().state, sessions::TurnState::interrupted);
    // The process was only frozen: what it says now is known already.
    close(dead, "ended", kept[1], 5);
    EXPECT_EQ(left(other), 90'000);
}

TEST_F(DynamoBudgets, a_turn_that_lives_keeps_what_it_holds) {
    start(2, {{.limit_nano = 100'000}}, "TERTULIA_TEST_DYNAMODB", std::chrono::seconds(60));
    begin(*all[0], "long");
    const auto held = reserve(*all[0], "long", 0, 50);
    ASSERT_TRUE(held);
    all[1]->clock.advance(std::chrono::seconds(30));
    EXPECT_EQ(left(*all[1]), 0);
    all[1]->clock.advance(std::chrono::seconds(31));
    EXPECT_EQ(left(*all[1]), 100'000);
}

TEST_F(DynamoBudgets, counts_are_exact_whatever_becomes_of_requests) {
    start(2, {{.limit_nano = 1'000'000}}, "TERTULIA_TEST_DYNAMODB_FAULTS");
    for (int i = 0; i < 60; ++i) {
        const std::string turn = "t" + std::to_string(i);
        auto reserved = reserve(*all[static_cast<std::size_t>(i) % 2], turn, 0, 20);
        ASSERT_TRUE(reserved) << reserved.error().message;
        close(*all[static_cast<std::size_t>(i) % 2], turn, reserved, 3);
    }
    EXPECT_EQ(left(*all[0]), 1'000'000 - 60 * 3 * 2000);
}

TEST_F(DynamoBudgets, a_turn_pays_two_requests_for_a_budget) {
    start(1, {{.limit_nano = 1'000'000}});
    left(*all[0]);  // somebody counts already
    const auto before = runner.run(all[0]->store->use());
    auto reserved = reserve(*all[0], "t", 0, 20);
    ASSERT_TRUE(reserved);
    close(*all[0], "t", reserved, 3);
    const auto after = runner.run(all[0]->store->use());
    EXPECT_EQ(after.requests - before.requests, 2);
    EXPECT_EQ(after.write_units - before.write_units, 2);
    EXPECT_EQ(after.read_units - before.read_units, 0);
}

}  // namespace
}  // namespace tertulia::tests
