// Turns that go on at another model, from the service down to the store and back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/sessions/session_service.h"
#include "tests/support/test_service.h"

namespace tertulia::sessions {
namespace {

using models::FailureKind;
using test::FakeProvider;
using test::soon;
using testing::ElementsAre;
using Kind = chat::AnswerEvents::Kind;
using Answer = FakeProvider::Answer;
using Steps = FakeProvider::Steps;

constexpr const char* first_model = "openai/gpt-5-mini";
constexpr const char* second_model = "anthropic/claude-haiku-4-5";

models::Failure failure(FailureKind kind) {
    return {kind, {.code = base::Errc::upstream_unavailable, .message = "no"}};
}
Answer cut(std::vector<Steps> reads) {
    return {.reads = std::move(reads), .failure = failure(FailureKind::broken)};
}
Steps step(Kind kind, std::uint32_t block, std::string_view text, std::string_view extra = {}) {
    Steps steps;
    steps.add(kind, block, text, extra);
    return steps;
}

// What a reader has of an answer, event by event.
struct Seen {
    struct Event {
        EventKind kind;
        std::uint32_t number;
        std::string text;
        bool operator==(const Event&) const = default;
    };
    std::vector<Event> events;

    void add(const EventBatch& batch) {
        for (const auto& event : batch.events)
            events.push_back({event.kind, event.number, std::string(batch.text(event.text))});
    }
    std::string text() const {
        std::string text;
        for (const Event& event : events) {
            if (event.kind == EventKind::text_replaced) text.clear();
            if (event.kind == EventKind::text || event.kind == EventKind::text_replaced) text += event.text;
        }
        return text;
    }
    std::vector<EventKind> kinds() const {
        std::vector<EventKind> kinds;
        for (const Event& event : events) kinds.push_back(event.kind);
        return kinds;
    }
};

class FailoverTest : public testing::Test, protected test::TestService {
  protected:
    explicit FailoverTest(std::vector<billing::BudgetRule> rules = {}, models::RetrySettings retry = {.attempts = 1})
        : TestService({.default_model = "smart"}, {}, std::move(rules), retry) {
        for (FakeProvider** made : {&first, &second}) {
            auto fake = std::make_unique<FakeProvider>();
            *made = fake.get();
            (*made)->maker = made == &first ? "one" : "two";
            models.add(made == &first ? "openai" : "anthropic", {.provider = std::move(fake)});
        }
        route({});
    }
    void route(models::Hedge hedge) { EXPECT_TRUE(models.add_route("smart", {first_model, second_model}, hedge)); }

    // One turn, read to its end.
    async::Task<std::shared_ptr<const TurnResult>> say(std::string message, Seen* seen = nullptr) {
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{std::move(message)}}});
        if (!begun) co_return nullptr;
        EventBatch batch;
        while (!batch.has_end() && co_await begun->reader.next(batch, soon()))
            if (seen) seen->add(batch);
        co_return begun->reader.result();
    }
    async::Task<StoredMessage> stored(std::string turn_id) {
        auto turn = co_await store.turn({{"local", "s"}, std::move(turn_id)});
        co_return turn && *turn && (*turn)->answer ? *(*turn)->answer : StoredMessage{};
    }
    // Whoever was cut off after any event has the whole text after the replay of what is stored.
    async::Task<void> expect_same_text(const TurnResult& result, const Seen& live) {
        const StoredMessage answer = co_await stored(result.turn_id);
        const auto log = TurnLog::restore({{"local", "s"}, result.turn_id}, answer);
        for (std::uint32_t after = 0; after <= live.events.back().number; ++after) {
            Seen joined = live;
            std::erase_if(joined.events, [=](const auto& event) { return event.number > after; });
            TurnLog::Place place{.after = after};
            for (EventBatch batch; log->read(place, batch), !batch.events.empty();) joined.add(batch);
            EXPECT_EQ(joined.text(), result.message) << "cut after " << after;
            EXPECT_EQ(joined.events.back(), live.events.back()) << "cut after " << after;
        }
    }
    async::Task<UsageReport> ledger() { co_return *co_await store.usage({.owner = "local"}); }

    FakeProvider* first = nullptr;
    FakeProvider* second = nullptr;
};

TEST_F(FailoverTest, ACutTextGoesOnAndIsReplayedAsItWasSeen) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("Héllo "), FakeProvider::text("wor")})};
        second->prefill = true;
        second->script = {FakeProvider::whole("ld.")};
        Seen live;
        const auto result = co_await say("x", &live);
        EXPECT_EQ(result->state, TurnState::completed);
        EXPECT_EQ(result->message, "Héllo world.");
        EXPECT_EQ(result->model, second_model);
        EXPECT_EQ(live.text(), result->message);
        EXPECT_THAT(live.kinds(), ElementsAre(EventKind::started, EventKind::text, EventKind::text, EventKind::rerouted,
                                              EventKind::text, EventKind::usage, EventKind::ended));
        EXPECT_EQ(Rerouted::from_text(live.events[3].text),
                  (Rerouted{first_model, second_model, "upstream_unavailable", 9}));
        const StoredMessage answer = co_await stored(result->turn_id);
        const auto log = TurnLog::restore({{"local", "s"}, result->turn_id}, answer);
        TurnLog::Place place;
        EventBatch batch;
        log->read(place, batch);
        Seen replayed;
        replayed.add(batch);
        EXPECT_EQ(replayed.events, live.events);
        co_await expect_same_text(*result, live);
        EXPECT_EQ((co_await ledger()).total.turns, 1);
    });
}

TEST_F(FailoverTest, ACutToolCallBeginsAnew) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("Let me see."), step(Kind::tool_call, 1, "search", "1"),
                              step(Kind::tool_arguments, 1, R"({"q":)")})};
        second->script = {FakeProvider::whole("It is four.")};
        Seen live;
        const auto result = co_await say("x", &live);
        EXPECT_EQ(result->message, "It is four.");
        EXPECT_TRUE(result->content.empty());
        EXPECT_EQ(live.text(), result->message);
        EXPECT_THAT(live.kinds(), ElementsAre(EventKind::started, EventKind::text, EventKind::tool_call,
                                              EventKind::tool_arguments, EventKind::rerouted, EventKind::text_replaced,
                                              EventKind::text, EventKind::usage, EventKind::ended));
        co_await expect_same_text(*result, live);
    });
}

// Anthropic's API may begin an answer anew (a fallback of its own), which is about its own thoughts only.
TEST_F(FailoverTest, WhenTheSecondModelThinksAgainTheTextOfTheFirstOneStays) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("Hello ")})};
        Steps again;
        again.add(Kind::restart, 0, "");
        again.add(Kind::thinking, 0, "so");
        second->script = {
            {.reads = {step(Kind::thinking, 0, "hm"), again, FakeProvider::text("world", chat::StopReason::end_turn)}}};
        Seen live;
        const auto result = co_await say("x", &live);
        EXPECT_EQ(live.text(), "Hello world");
        EXPECT_EQ(result->message, "Hello world");
        co_await expect_same_text(*result, live);
    });
}

TEST_F(FailoverTest, WhatWasOnlyThoughtIsNotKept) {
    run([this]() -> async::Task<void> {
        first->script = {cut({step(Kind::thinking, 0, "hm")})};
        second->script = {
            {.reads = {step(Kind::thinking, 0, "so"), FakeProvider::text("Four.", chat::StopReason::end_turn)}}};
        Seen live;
        const auto result = co_await say("x", &live);
        EXPECT_EQ(result->message, "Four.");
        const StoredMessage answer = co_await stored(result->turn_id);
        EXPECT_THAT(answer.blocks,
                    ElementsAre(chat::ContentBlock(chat::Thinking{.text = "so", .signature = "", .maker = "two"}),
                                chat::ContentBlock(chat::Text{"Four."})));
        EXPECT_EQ(answer.outcome->reroutes.at(0).kept_chars, 0);
        co_await expect_same_text(*result, live);
    });
}

TEST_F(FailoverTest, WhiteSpaceAloneIsNothingToGoOnFrom) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("\n\n")})};
        second->prefill = true;
        second->script = {FakeProvider::whole("Hello")};
        const auto result = co_await say("x");
        EXPECT_EQ(result->message, "\n\nHello");
        EXPECT_EQ(second->requests.back().messages.size(), 1u);
    });
}

// What was not sent of the text may be said again; in a race each of the two is asked in its own way.
TEST_F(FailoverTest, WhiteSpaceThatWasNotSentIsThereOnce) {
    route({.kind = models::Hedge::Kind::fixed, .delay = base::Milliseconds(1)});
    for (const bool prefill_wins : {true, false}) {
        run([this, prefill_wins]() -> async::Task<void> {
            const std::string session = prefill_wins ? "prefill" : "instruction";
            first->prefill = prefill_wins;
            second->prefill = !prefill_wins;
            const auto late = gate();
            first->script = {cut({FakeProvider::text("one ")}),
                             {.reads = {FakeProvider::text(" two", chat::StopReason::end_turn)}, .gate = late}};
            second->script = {{.refusal = failure(FailureKind::failed)}, {.gate = gate()}};
            auto begun = service.begin({.session_id = session, .content = {chat::Text{"x"}}});
            EXPECT_EQ((co_await begun->reader.wait_end(soon()))->message, "one ");
            second->on_open = [late] { late->wake(); };
            auto again = co_await service.continue_turn(begun->reader.name(), {});
            if (!again) {
                ADD_FAILURE() << again.error().message;
                co_return;
            }
            const auto whole = co_await again->reader.wait_end(soon());
            EXPECT_EQ(whole->message, prefill_wins ? "one two" : "one  two");
            EXPECT_EQ(whole->attempts.size(), 2u);
        });
    }
}

TEST_F(FailoverTest, TheEstimateOfACallThatGoesOnCountsWhatItGoesOnFrom) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text(std::string(40'000, 'x'))})};
        second->script = {FakeProvider::whole("y")};
        const auto result = co_await say("x");
        EXPECT_GT(result->usage.input, models::estimate_tokens(std::string(40'000, 'x')));
        EXPECT_GT(result->usage.output, models::estimate_tokens(std::string(40'000, 'x')));
    });
}

TEST_F(FailoverTest, AHedgeThatWinsIsNoReroute) {
    route({.kind = models::Hedge::Kind::fixed, .delay = base::Milliseconds(1)});
    run([this]() -> async::Task<void> {
        first->script = {{.gate = gate()}};
        second->script = {FakeProvider::whole("Hello")};
        Seen live;
        const auto result = co_await say("x", &live);
        EXPECT_EQ(result->message, "Hello");
        EXPECT_EQ(result->model, second_model);
        EXPECT_THAT(live.kinds(), ElementsAre(EventKind::started, EventKind::text, EventKind::usage, EventKind::ended));
        EXPECT_EQ(result->attempts.at(0).outcome, "cancelled");
        EXPECT_EQ(result->attempts.at(1).outcome, "ok");
        const UsageReport report = co_await ledger();
        EXPECT_GT(report.total.hedge_nano, 0);
        EXPECT_EQ(report.total.cost_nano, *result->cost_nano);
        co_await expect_same_text(*result, live);
    });
}

TEST_F(FailoverTest, ACancelDuringARaceEndsBoth) {
    route({.kind = models::Hedge::Kind::fixed, .delay = base::Milliseconds(1)});
    run([this]() -> async::Task<void> {
        first->script = {{.gate = gate()}};
        second->script = {{.gate = gate()}};
        const auto asked = gate();
        second->on_open = [asked] { asked->wake(); };
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        co_await asked->wait(soon());
        const TurnName name = begun->reader.name();
        const auto cancelled = co_await service.cancel(name, soon());
        EXPECT_TRUE(cancelled.has_value());
        EXPECT_EQ(begun->reader.result()->state, TurnState::cancelled);
        EXPECT_EQ((co_await ledger()).total.cost_nano, 0);
    });
}

TEST_F(FailoverTest, ACancelAfterARaceEndsTheWinner) {
    route({.kind = models::Hedge::Kind::fixed, .delay = base::Milliseconds(1)});
    run([this]() -> async::Task<void> {
        first->script = {{.gate = gate()}};
        second->script = {{.reads = {FakeProvider::text("Hel")}, .gate = gate(), .gate_at = 1}};
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        Seen seen;
        EventBatch batch;
        while (seen.text().empty() && co_await begun->reader.next(batch, soon())) seen.add(batch);
        const TurnName name = begun->reader.name();
        EXPECT_TRUE((co_await service.cancel(name, soon())).has_value());
        EXPECT_EQ(begun->reader.result()->state, TurnState::cancelled);
        EXPECT_EQ(begun->reader.result()->message, "Hel");
    });
}

TEST_F(FailoverTest, ASessionStaysWhereItsAnswerCameFrom) {
    run([this]() -> async::Task<void> {
        first->script = {{.refusal = failure(FailureKind::failed)}};
        EXPECT_EQ((co_await say("x"))->model, second_model);
        EXPECT_EQ((co_await say("y"))->model, second_model);
        EXPECT_EQ(first->requests.size(), 1u);
    });
}

TEST_F(FailoverTest, AModelThatGaveNothingIsNoHome) {
    run([this]() -> async::Task<void> {
        for (FakeProvider* provider : {first, second}) provider->script = {{.refusal = failure(FailureKind::failed)}};
        EXPECT_EQ((co_await say("x"))->state, TurnState::failed);
        EXPECT_EQ((co_await say("y"))->model, first_model);
    });
}

TEST_F(FailoverTest, TheSessionIsReadAgainForTheNextModel) {
    run([this]() -> async::Task<void> {
        co_await say("Hello.");
        const std::string question(200'000, 'q');  // longer than the first page of a session
        const std::vector<chat::ContentBlock> content = {
            chat::Text{question}, chat::Image{.media_type = "image/png", .base64 = "AAAA", .url = {}}};
        first->script = {cut({FakeProvider::text("one ")})};
        second->prefill = true;
        second->script = {FakeProvider::whole("two")};
        auto begun = service.begin({.session_id = "s", .content = content, .system = "Be kind."});
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->message, "one two");
        const models::ModelRequest &asked = first->requests.back(), &again = second->requests.back();
        EXPECT_EQ(again.system, asked.system);
        EXPECT_EQ(again.messages.size(), asked.messages.size() + 1);
        for (std::size_t i = 0; i < asked.messages.size(); ++i)
            EXPECT_EQ(again.messages[i].content, asked.messages[i].content);
        EXPECT_EQ(again.messages[2].content, content);
        EXPECT_EQ(chat::text_of(again.messages.back().content), "one");
        EXPECT_EQ(again.stable_messages, asked.stable_messages);
    });
}

TEST_F(FailoverTest, AContinuationGoesOnAtTheNextModel) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("one ")}), cut({FakeProvider::text("two ")})};
        second->script = {{.refusal = failure(FailureKind::failed)}, FakeProvider::whole("three")};
        const auto failed = co_await say("x");
        EXPECT_EQ(failed->message, "one ");
        auto again = co_await service.continue_turn({{"local", "s"}, failed->turn_id}, {});
        if (!again) {
            ADD_FAILURE() << again.error().message;
            co_return;
        }
        Seen live;
        EventBatch batch;
        while (!batch.has_end() && co_await again->reader.next(batch, soon())) live.add(batch);
        const auto result = again->reader.result();
        EXPECT_EQ(result->message, "one two three");
        EXPECT_EQ(live.text(), result->message);
        EXPECT_THAT(live.kinds(),
                    ElementsAre(EventKind::started, EventKind::text_replaced, EventKind::text, EventKind::rerouted,
                                EventKind::text, EventKind::usage, EventKind::ended));
        const auto& messages = second->requests.back().messages;
        EXPECT_EQ(messages.size(), 3u);
        EXPECT_EQ(chat::text_of(messages[1].content), "one two ");
        co_await expect_same_text(*result, live);
    });
}

TEST_F(FailoverTest, AContinuationNeverBeginsAnew) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("one ")}), cut({step(Kind::tool_call, 0, "f", "1")})};
        second->script = {{.refusal = failure(FailureKind::failed)}};
        const auto failed = co_await say("x");
        auto again = co_await service.continue_turn({{"local", "s"}, failed->turn_id}, {});
        const auto result = co_await again->reader.wait_end(soon());
        EXPECT_EQ(result->state, TurnState::failed);
        EXPECT_EQ(result->message, "one ");
        EXPECT_EQ(second->requests.size(), 1u);
    });
}

class RetryingTest : public FailoverTest {
  protected:
    RetryingTest() : FailoverTest({}, {.attempts = 3, .base = base::Milliseconds(1), .max = base::Milliseconds(1)}) {
        EXPECT_TRUE(models.add_route("smart", {first_model}, {}));
    }
};

TEST_F(RetryingTest, LessContextIsChosenOnce) {
    run([this]() -> async::Task<void> {
        for (int i = 0; i < 12; ++i) co_await say(std::string(400, 'x'));
        first->script = {{.refusal = failure(FailureKind::context_too_long)},
                         {.refusal = failure(FailureKind::overloaded)},
                         FakeProvider::whole("Hello")};
        EXPECT_EQ((co_await say("y"))->message, "Hello");
        const auto& asked = first->requests;
        const std::size_t last = asked.size() - 1;
        EXPECT_LT(asked[last - 1].messages.size(), asked[last - 2].messages.size());
        EXPECT_EQ(asked[last].messages.size(), asked[last - 1].messages.size());
    });
}

// The worst case of one call of either model fits, that of two does not.
class TightBudgetTest : public FailoverTest {
  protected:
    TightBudgetTest()
        : FailoverTest({{.name = "*", .limit_nano = 25'000'000}},
                       {.attempts = 2, .base = base::Milliseconds(1), .max = base::Milliseconds(1)}) {}
};

TEST_F(TightBudgetTest, AFailedAttemptLeavesItsReservationToTheNextOne) {
    run([this]() -> async::Task<void> {
        first->script = {{.refusal = failure(FailureKind::overloaded)}, {.refusal = failure(FailureKind::overloaded)}};
        second->script = {FakeProvider::whole("Hello")};
        const auto result = co_await say("x");
        EXPECT_EQ(result->state, TurnState::completed);
        EXPECT_EQ(result->attempts.size(), 3u);
    });
}

TEST_F(TightBudgetTest, ACutAttemptIsSettledWithWhatItGave) {
    run([this]() -> async::Task<void> {
        first->script = {cut({FakeProvider::text("Hello ")})};
        second->script = {FakeProvider::whole("world")};
        EXPECT_EQ((co_await say("x"))->message, "Hello world");
        Answer dear = cut({FakeProvider::text("Long.")});
        dear.reads[0].usage = chat::Usage{.input = 10, .output = 12'000};
        second->script = {std::move(dear)};
        const auto over = co_await say("y");
        EXPECT_EQ(over->state, TurnState::failed);
        EXPECT_EQ((co_await say("z"))->error->code, base::Errc::budget_exceeded);
        const UsageReport report = co_await ledger();
        EXPECT_GT(report.total.cost_nano, 0);
    });
}

TEST_F(TightBudgetTest, AHedgeThatIsTooDearDoesNotStart) {
    route({.kind = models::Hedge::Kind::fixed, .delay = base::Milliseconds(1)});
    run([this]() -> async::Task<void> {
        const auto late = gate();
        first->script = {{.reads = {FakeProvider::text("Hello", chat::StopReason::end_turn)}, .gate = late}};
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        co_await gate()->wait(base::Deadline::after(base::Milliseconds(20)));  // the hedge is refused meanwhile
        late->wake();
        const auto result = co_await begun->reader.wait_end(soon());
        EXPECT_EQ(result->message, "Hello");
        EXPECT_EQ(result->attempts.size(), 1u);
        EXPECT_TRUE(second->requests.empty());
    });
}

}  // namespace
}  // namespace tertulia::sessions
