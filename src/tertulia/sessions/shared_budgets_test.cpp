// Budgets that several processes count together, in their store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/sessions/direct_answer.h"
#include "tests/support/shared_world.h"

namespace tertulia::sessions {
namespace {

using base::Errc;
using test::FakeProvider;
using test::SharedWorld;
using test::soon;

constexpr std::int64_t plenty = 1'000'000'000'000;
// A token of output costs 2000 nano-dollars.
constexpr const char* model = "openai/gpt-5-mini";

std::vector<billing::BudgetRule> day_of(std::int64_t nano) {
    return {{.limit_nano = nano}};
}
billing::BudgetWindow today() {
    return billing::window_of({}, "local", "", base::system_clock().wall_us());
}

/// Processes whose model has a price.
struct PricedWorld : SharedWorld {
    explicit PricedWorld(std::int64_t limit, int processes = 4) : SharedWorld(processes, day_of(limit)) {
        for (int i = 0; i < processes; ++i) {
            auto priced = std::make_unique<FakeProvider>();
            providers.push_back(priced.get());
            (*this)[static_cast<std::size_t>(i)].models.add("openai", {.provider = std::move(priced)});
        }
    }
    static TurnRequest message(const std::string& session) {
        return {.session_id = session, .content = {chat::Text{"x"}}, .model = model, .max_tokens = 100};
    }
    // An answer that costs so many tokens, once `gate` is woken.
    static FakeProvider::Answer answer(std::int64_t tokens, std::shared_ptr<async::Waiter> gate = {}) {
        FakeProvider::Answer given = FakeProvider::whole("Yes.");
        given.reads[0].usage = chat::Usage{.output = tokens};
        given.gate = std::move(gate);
        return given;
    }
    std::vector<FakeProvider*> providers;
};

// What a turn of PricedWorld::message may cost.
std::int64_t worst_case() {
    std::int64_t nano = 0;
    PricedWorld world(plenty, 1);
    world.run([&]() -> async::Task<void> {
        world.providers[0]->script.push_back(PricedWorld::answer(1));
        world.providers[0]->on_open = [&] { nano = world.table.used(today()); };
        auto begun = world[0].service.begin(PricedWorld::message("s"));
        co_await begun->reader.wait_end(soon());
        EXPECT_EQ(world.table.used(today()), 2000);
    });
    return nano;
}

TEST(SharedBudgets, two_hundred_turns_of_four_processes_against_a_budget_for_ten) {
    const std::int64_t worst = worst_case();
    EXPECT_GE(worst, 200'000);
    PricedWorld world(10 * worst + worst / 2);
    world.run([&]() -> async::Task<void> {
        std::vector<std::shared_ptr<async::Waiter>> gates;
        std::size_t at_once = 0;
        for (FakeProvider* provider : world.providers) {
            provider->on_open = [&] { ++at_once; };
            for (int i = 0; i < 50; ++i)
                provider->script.push_back(PricedWorld::answer(90, gates.emplace_back(world.gate())));
        }
        std::vector<BegunTurn> turns;
        for (std::size_t i = 0; i < 200; ++i) {
            auto begun = world[i % 4].service.begin(PricedWorld::message("s" + std::to_string(i)));
            EXPECT_TRUE(begun.has_value());
            if (begun) turns.push_back(std::move(*begun));
        }
        for (int i = 0; i < 1000 && world.table.refused_holds < 190; ++i) co_await world.a_moment();
        EXPECT_EQ(at_once, 10u);
        EXPECT_LE(world.table.used(today()), 10 * worst);
        for (const auto& gate : gates) gate->wake();
        std::map<std::string, int> ends;
        for (BegunTurn& turn : turns) {
            const auto result = co_await turn.reader.wait_end(soon());
            ++ends[result->error ? std::string(base::to_string(result->error->code)) : "completed"];
        }
        EXPECT_EQ(ends["completed"], 10);
        EXPECT_EQ(ends["budget_exceeded"], 190);
        EXPECT_EQ(world.table.used(today()), 10 * 90 * 2000) << "what was spent, and no more";
        const auto report = co_await world.table.memory.usage({.owner = "local"});
        EXPECT_EQ(report->total.cost_nano, 10 * 90 * 2000);
    });
}

TEST(SharedBudgets, a_process_sees_what_others_have_spent) {
    const std::int64_t worst = worst_case();
    PricedWorld world(worst + 2000 * 10, 2);
    world.run([&]() -> async::Task<void> {
        world.providers[0]->script = {PricedWorld::answer(20)};
        auto first = world[0].service.begin(PricedWorld::message("a"));
        EXPECT_EQ((co_await first->reader.wait_end(soon()))->state, TurnState::completed);
        auto second = world[1].service.begin(PricedWorld::message("b"));
        const auto refused = co_await second->reader.wait_end(soon());
        EXPECT_EQ(refused->error->code, Errc::budget_exceeded);
        EXPECT_EQ(refused->error->budget->left_nano, worst - 2000 * 10);
        EXPECT_TRUE(world.providers[1]->requests.empty());
    });
}

TEST(SharedBudgets, what_the_turn_of_a_dead_process_held_is_there_again) {
    const std::int64_t worst = worst_case();
    PricedWorld world(worst + worst / 2, 2);
    world.run([&]() -> async::Task<void> {
        world.providers[0]->script = {PricedWorld::answer(1, world.gate())};
        auto first = world[0].service.begin(PricedWorld::message("a"));
        co_await first->reader.wait_start(soon());
        world[0].store.freeze();
        auto second = world[1].service.begin(PricedWorld::message("b"));
        EXPECT_EQ((co_await second->reader.wait_end(soon()))->error->code, Errc::budget_exceeded) << "it may live";
        world.table.clock.advance(std::chrono::seconds(10));
        auto third = world[1].service.begin(PricedWorld::message("b"));
        EXPECT_EQ((co_await third->reader.wait_end(soon()))->state, TurnState::completed);
        world[0].store.thaw();
        EXPECT_EQ((co_await first->reader.wait_end(soon()))->state, TurnState::interrupted);
    });
}

TEST(SharedBudgets, an_attempt_leaves_what_it_did_not_use_to_the_next_one) {
    PricedWorld world(300'000, 2);
    Spending& spending = world[0].spending;
    const TurnName turn{{"local", "s"}, "t"};
    world.run([&]() -> async::Task<void> {
        EXPECT_TRUE((co_await world[0].store.open_turn({.turn = turn, .max_messages = 2, .max_bytes = 1})).has_value());
        auto first = co_await spending.reserve(turn, 0, model, 0, 100);
        EXPECT_TRUE(first && !first->is_empty());
        EXPECT_FALSE(co_await spending.reserve(turn, 0, model, 0, 100)) << "a hedge beside it is too dear";
        EXPECT_EQ(spending.settle(std::move(*first), {.model = model, .usage = {.output = 40}}).cost_nano, 80'000);
        {
            auto second = co_await spending.reserve(turn, 0, model, 0, 100);
            EXPECT_TRUE(second.has_value());
        }
        EXPECT_EQ(world.table.used(today()), 280'000);
        EXPECT_TRUE((co_await spending.reserve(turn, 0, model, 0, 100)).has_value()) << "that one was not billed";
        EXPECT_EQ(world[0].store.calls["hold_budgets"], 3);
        co_await spending.close(turn);
        EXPECT_EQ(world.table.used(today()), 80'000);
        co_await spending.close(turn);
        EXPECT_EQ(world[0].store.calls["settle_budgets"], 1);
    });
}

TEST(SharedBudgets, a_turn_that_could_not_be_handed_over_is_billed_once) {
    PricedWorld world(plenty, 1);
    world.run([&]() -> async::Task<void> {
        world.providers[0]->script.push_back({.reads = {FakeProvider::text("Half of it "), FakeProvider::text("never")},
                                              .gate = world.gate(),
                                              .gate_at = 1});
        auto begun = world[0].service.begin(PricedWorld::message("s"));
        while (begun->reader.log().last_number() < 2) co_await world.a_moment();
        world[0].store.broken = {"hand_over"};
        EXPECT_FALSE(co_await world[0].service.hand_over(begun->reader.name(), soon()));
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->state, TurnState::interrupted);
        const auto report = co_await world.table.memory.usage({.owner = "local"});
        EXPECT_GT(report->total.cost_nano, 0);
        EXPECT_EQ(report->total.cost_nano, world.table.used(today()));
    });
}

TEST(SharedBudgets, without_a_budget_the_store_is_not_asked) {
    SharedWorld world(2);
    world.run([&]() -> async::Task<void> {
        auto begun = world[0].service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->state, TurnState::completed);
    });
    EXPECT_FALSE(world[0].store.calls.contains("hold_budgets"));
    EXPECT_FALSE(world[0].store.calls.contains("settle_budgets"));
}

TEST(SharedBudgets, a_call_that_is_no_turn_counts_too) {
    PricedWorld world(plenty, 1);
    world.run([&]() -> async::Task<void> {
        world.providers[0]->script = {PricedWorld::answer(7)};
        DirectQuestion question{.owner = "local", .model = model};
        question.messages.push_back({.role = chat::Role::user, .content = {chat::Text{"?"}}});
        EXPECT_TRUE((co_await world[0].service.ask_directly(std::move(question), {}, soon())).has_value());
    });
    EXPECT_EQ(world.table.used(today()), 7 * 2000);
}

}  // namespace
}  // namespace tertulia::sessions
