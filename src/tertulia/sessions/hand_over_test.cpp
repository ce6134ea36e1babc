// Turns that one process begins and another one ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/sessions/session_service.h"
#include "tests/support/shared_world.h"

namespace tertulia::sessions {
namespace {

using test::FakeProvider;
using test::Process;
using test::soon;
using Kind = chat::AnswerEvents::Kind;

// What one reader has read, wherever it read.
struct Seen {
    std::vector<std::uint32_t> numbers;
    std::string text;
    std::vector<EventKind> kinds;

    std::uint32_t last() const { return numbers.empty() ? 0 : numbers.back(); }
    void take(const EventBatch& batch) {
        for (const auto& event : batch.events) {
            EXPECT_GT(event.number, last()) << "a number stands for one event";
            numbers.push_back(event.number);
            kinds.push_back(event.kind);
            if (event.kind == EventKind::text_replaced) text.clear();
            if (event.kind == EventKind::text || event.kind == EventKind::text_replaced) text += batch.text(event.text);
        }
    }
};

class HandOver : public testing::Test, protected test::SharedWorld {
  protected:
    Process& first() { return (*this)[0]; }
    Process& second() { return (*this)[1]; }

    static TurnRequest message(const std::string& text) { return {.session_id = "s", .content = {chat::Text{text}}}; }
    // Reads to the end, with or without a terminal event.
    async::Task<void> read(TurnReader reader, Seen& seen) {
        EventBatch batch;
        do {
            EXPECT_TRUE(co_await reader.next(batch, soon()));
            seen.take(batch);
        } while (!batch.events.empty() && !batch.has_end());
    }
    // Waits until the turn has shown so many events.
    async::Task<void> wait_for(Process& process, const TurnName& name, std::uint32_t events) {
        while (process.logs.find(name)->last_number() < events) co_await a_moment();
    }
    // Begins a turn, lets its model get as far as `reads` reads, and hands it over.
    async::Task<TurnName> begin_and_hand_over(std::vector<FakeProvider::Steps> reads, Seen& seen) {
        const auto shown = static_cast<std::uint32_t>(reads.size());
        reads.push_back(FakeProvider::text("never shown", chat::StopReason::end_turn));
        first().provider->script.push_back({.reads = std::move(reads), .gate = gate(), .gate_at = shown});
        auto begun = first().service.begin(message("question"));
        const TurnName name = begun->reader.name();
        co_await wait_for(first(), name, 1 + shown);
        EXPECT_TRUE(co_await first().service.hand_over(name, soon()));
        EXPECT_EQ(begun->reader.result()->state, TurnState::running);
        co_await read(std::move(begun->reader), seen);
        EXPECT_EQ(seen.numbers.size(), 1 + shown) << "no terminal event";
        co_return name;
    }
    async::Task<std::shared_ptr<const TurnResult>> resume(Process& process, TurnName name, Seen& seen) {
        auto begun = process.service.resume(name, {});
        EXPECT_TRUE(begun.has_value());
        const auto result = co_await begun->reader.wait_end(soon());
        co_await read(TurnReader(process.logs.find(name), worker.executor(), seen.last()), seen);
        co_return result;
    }
    async::Task<std::vector<StoredMessage>> history() {
        auto page = co_await table.memory.messages(key, {.limit = 100});
        co_return page && *page ? (*page)->messages : std::vector<StoredMessage>();
    }
    async::Task<std::shared_ptr<const TurnResult>> say_again() {
        auto request = message("again");
        request.model = "fake/m";
        request.on_busy = OnBusy::reject;
        auto begun = first().service.begin(std::move(request));
        EXPECT_TRUE(begun.has_value());
        co_return co_await begun->reader.wait_end(soon());
    }
    const SessionKey key{"local", "s"};
};

TEST_F(HandOver, AnAnswerIsGoneOnWithFromEveryEvent) {
    run([this]() -> async::Task<void> {
        const std::vector<std::string> words{"One ", "two", " three ", "four", " five."};
        for (const bool prefill : {false, true})
            for (std::size_t at = 0; at <= words.size(); ++at) {
                std::string so_far, rest;
                std::vector<FakeProvider::Steps> reads;
                for (std::size_t i = 0; i < words.size(); ++i) (i < at ? so_far : rest) += words[i];
                for (std::size_t i = 0; i < at; ++i) reads.push_back(FakeProvider::text(words[i]));
                Seen seen;
                const TurnName name = co_await begin_and_hand_over(std::move(reads), seen);
                EXPECT_EQ(seen.text, so_far);

                second().provider->prefill = prefill;
                second().provider->script.push_back({.reads = {FakeProvider::text(rest, chat::StopReason::end_turn)}});
                const auto result = co_await resume(second(), name, seen);
                EXPECT_EQ(result->state, TurnState::completed);
                EXPECT_EQ(result->turn_id, name.turn_id);
                EXPECT_EQ(result->message, so_far + rest) << "from " << at;
                EXPECT_EQ(seen.text, result->message);
                EXPECT_EQ(seen.kinds.back(), EventKind::ended);
                EXPECT_EQ(std::ranges::count(seen.kinds, EventKind::started), 1);
                EXPECT_EQ(result->attempts.size(), 2u) << "both calls are told of";

                const auto& asked = second().provider->requests.back().messages;
                EXPECT_EQ(chat::text_of(asked[asked.size() - (at == 0 ? 1 : prefill ? 2 : 3)].content), "question");
                // Who looks in from the first process sees the same.
                Seen elsewhere;
                auto remote = co_await first().service.read(name);
                co_await read(*std::move(remote), elsewhere);
                EXPECT_EQ(elsewhere.text, result->message);
                EXPECT_EQ(elsewhere.numbers, seen.numbers);
                const auto stored = co_await history();
                EXPECT_EQ(stored.size(), 2u);
                EXPECT_EQ(stored.back().turn_id, name.turn_id);
                EXPECT_EQ(stored.back().timestamp, result->timestamp);
                EXPECT_TRUE(co_await second().service.remove(key, soon()));
            }
    });
}

TEST_F(HandOver, WhatWasUsedBeforeIsBilled) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Some words that were given. ")}, seen);
        auto rest = FakeProvider::text("The end.", chat::StopReason::end_turn);
        rest.usage = chat::Usage{.input = 100, .output = 10};
        second().provider->script.push_back({.reads = {std::move(rest)}});
        const auto result = co_await resume(second(), name, seen);
        EXPECT_GT(result->usage.input, 100);
        EXPECT_GT(result->usage.output, 10);
        EXPECT_TRUE(result->usage.estimated());
        const auto report = co_await table.memory.usage({.owner = "local"});
        EXPECT_EQ(report->total.output_tokens, result->usage.output);
        EXPECT_EQ(report->total.input_tokens, result->usage.input);
    });
}

TEST_F(HandOver, ThoughtsBeforeAnyTextAreVoid) {
    run([this]() -> async::Task<void> {
        FakeProvider::Steps thought;
        thought.add(Kind::thinking, 0, "hm");
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({std::move(thought)}, seen);
        FakeProvider::Steps steps;
        steps.add(Kind::thinking, 0, "so");
        steps.add(Kind::text, 1, "Done.");
        steps.finish = chat::StopReason::end_turn;
        second().provider->script.push_back({.reads = {std::move(steps)}});
        const auto result = co_await resume(second(), name, seen);
        EXPECT_EQ(result->message, "Done.");
        const auto stored = co_await history();
        const std::vector<chat::ContentBlock> expected{chat::Thinking{.text = "so", .signature = {}, .maker = "fake"},
                                                       chat::Text{"Done."}};
        EXPECT_EQ(stored.back().blocks, expected);
    });
}

TEST_F(HandOver, ACallOfAToolIsBegunAnew) {
    run([this]() -> async::Task<void> {
        FakeProvider::Steps call;
        call.add(Kind::text, 0, "Let me see.");
        call.add(Kind::tool_call, 1, "weather", "c1");
        call.add(Kind::tool_arguments, 1, R"({"ci)");
        first().provider->script.push_back(
            {.reads = {call, FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = first().service.begin(message("question"));
        const TurnName name = begun->reader.name();
        co_await wait_for(first(), name, 4);
        EXPECT_TRUE(co_await first().service.hand_over(name, soon()));
        Seen seen;
        co_await read(std::move(begun->reader), seen);
        FakeProvider::Steps again;
        again.add(Kind::tool_call, 0, "weather", "c2");
        again.add(Kind::tool_arguments, 0, R"({"city":"Oslo"})");
        again.finish = chat::StopReason::tool_use;
        second().provider->script.push_back({.reads = {std::move(again)}});
        const auto result = co_await resume(second(), name, seen);
        EXPECT_EQ(seen.text, "") << "the reader forgets what was void";
        EXPECT_EQ(result->stop_reason, chat::StopReason::tool_use);
        const std::vector<chat::ContentBlock> expected{
            chat::ToolCall{.id = "c2", .name = "weather", .arguments = R"({"city":"Oslo"})"}};
        EXPECT_EQ((co_await history()).back().blocks, expected);
    });
}

TEST_F(HandOver, AnAnswerChangesHandsTwice) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("One ")}, seen);
        second().provider->script.push_back(
            {.reads = {FakeProvider::text("two "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = second().service.resume(name, {});
        while (second().logs.find(name)->text() != "One two ") co_await a_moment();
        TurnReader reader(second().logs.find(name), worker.executor(), seen.last());
        EXPECT_TRUE(co_await second().service.hand_over(name, soon()));
        co_await read(std::move(reader), seen);
        EXPECT_EQ(seen.text, "One two ");
        first().provider->script.push_back({.reads = {FakeProvider::text("three.", chat::StopReason::end_turn)}});
        const auto result = co_await resume(first(), name, seen);
        EXPECT_EQ(result->message, "One two three.");
        EXPECT_EQ(seen.text, "One two three.");
        EXPECT_EQ(result->attempts.size(), 3u);
        EXPECT_EQ((co_await history()).size(), 2u);
    });
}

TEST_F(HandOver, AContinuationChangesHandsToo) {
    run([this]() -> async::Task<void> {
        first().provider->script.push_back(
            {.reads = {FakeProvider::text("One ")},
             .failure = models::Failure{models::FailureKind::broken,
                                        {.code = base::Errc::upstream_unavailable, .message = "cut off"}}});
        auto broken = first().service.begin(message("question"));
        co_await broken->reader.wait_end(soon());
        first().provider->script.push_back(
            {.reads = {FakeProvider::text("two "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = co_await first().service.continue_turn(broken->reader.name(), {});
        const TurnName name = begun->reader.name();
        while (first().logs.find(name)->text() != "One two ") co_await a_moment();
        EXPECT_TRUE(co_await first().service.hand_over(name, soon()));
        Seen seen;
        co_await read(std::move(begun->reader), seen);
        second().provider->script.push_back({.reads = {FakeProvider::text("three.", chat::StopReason::end_turn)}});
        const auto result = co_await resume(second(), name, seen);
        EXPECT_EQ(result->message, "One two three.");
        EXPECT_EQ(seen.text, "One two three.");
        EXPECT_EQ(result->continues, broken->reader.name().turn_id);
        const auto stored = co_await history();
        EXPECT_EQ(stored.size(), 2u);
        EXPECT_EQ(stored.back().content, "One two three.");
        EXPECT_EQ(stored.back().state, TurnState::completed);
    });
}

TEST_F(HandOver, WhoPollsSeesOneTurnThatRunsAndEndsOnce) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Half ")}, seen);
        // In nobody's hands, it runs; also for the process that has let go of it.
        for (const std::size_t which : {0u, 1u}) {
            const auto reader = co_await (*this)[which].service.read(name);
            EXPECT_TRUE(reader && reader->has_started() && !reader->result());
            EXPECT_EQ((co_await (*this)[which].service.messages(key, {}))->running, name.turn_id);
        }
        // What comes meanwhile waits.
        auto next = first().service.begin(message("next"));
        co_await next->reader.wait_start(soon());
        EXPECT_FALSE(next->reader.has_started());
        auto remote = co_await first().service.read(name, seen.last());
        second().provider->script.push_back({.reads = {FakeProvider::text("done.", chat::StopReason::end_turn)}});
        co_await resume(second(), name, seen);
        EXPECT_EQ((co_await remote->wait_end(soon()))->message, "Half done.");
        EXPECT_EQ((co_await next->reader.wait_end(soon()))->state, TurnState::completed);
        EXPECT_EQ((co_await history()).size(), 4u);
    });
}

TEST_F(HandOver, AFeedGoesOnWithTheTurn) {
    run([this]() -> async::Task<void> {
        SessionFeed feed = first().service.feed(key);
        co_await feed.from_now();
        EventBatch batch;
        EXPECT_FALSE((co_await feed.next(batch, base::Deadline::after(base::Milliseconds(10)))).value());
        first().provider->script.push_back(
            {.reads = {FakeProvider::text("Half "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = first().service.begin(message("question"));
        const TurnName name = begun->reader.name();
        Seen seen, fed;
        while (fed.text != "Half ") {
            EXPECT_TRUE((co_await feed.next(batch, soon())).value());
            fed.take(batch);
        }
        EXPECT_TRUE(co_await first().service.hand_over(name, soon()));
        co_await read(std::move(begun->reader), seen);
        second().provider->script.push_back({.reads = {FakeProvider::text("done.", chat::StopReason::end_turn)}});
        co_await resume(second(), name, seen);
        while (!batch.has_end()) {
            EXPECT_TRUE((co_await feed.next(batch, soon())).value());
            fed.take(batch);
        }
        EXPECT_EQ(fed.text, "Half done.");
        EXPECT_EQ(fed.numbers, seen.numbers);
    });
}

TEST_F(HandOver, ATurnThatHasNotBegunEndsHere) {
    run([this]() -> async::Task<void> {
        const auto held = gate();
        first().provider->script.push_back(
            {.reads = {FakeProvider::text("x", chat::StopReason::end_turn)}, .gate = held});
        auto runs = first().service.begin(message("runs"));
        co_await runs->reader.wait_begun(soon());
        auto waits = first().service.begin(message("waits"));
        const auto handed = co_await first().service.hand_over(waits->reader.name(), soon());
        EXPECT_EQ(handed.error().code, base::Errc::conflict);
        EXPECT_EQ(waits->reader.result()->state, TurnState::interrupted);
        EXPECT_FALSE(waits->reader.has_started());
        held->wake();
        co_await runs->reader.wait_end(soon());
        EXPECT_EQ((co_await first().service.hand_over(runs->reader.name(), soon())).error().code,
                  base::Errc::not_found);
        EXPECT_EQ((co_await history()).size(), 2u);
    });
}

TEST_F(HandOver, WhereTheStoreCannotHandItOverTheTurnIsInterrupted) {
    run([this]() -> async::Task<void> {
        for (const char* method : {"checkpoint", "hand_over"}) {
            first().store.broken = {method};
            first().provider->script.push_back(
                {.reads = {FakeProvider::text("Half "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
            auto begun = first().service.begin(message("question"));
            co_await wait_for(first(), begun->reader.name(), 2);
            const auto handed = co_await first().service.hand_over(begun->reader.name(), soon());
            EXPECT_EQ(handed.error().code, base::Errc::conflict);
            EXPECT_EQ(begun->reader.result()->state, TurnState::interrupted);
            const auto stored = co_await history();
            EXPECT_EQ(stored.back().state, TurnState::interrupted);
            EXPECT_EQ(stored.back().content, "Half ");
        }
    });
}

TEST_F(HandOver, ATurnThatNobodyTakesOverIsClosedWithWhatThereIs) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Half ")}, seen);
        table.clock.advance(test::SharedTable::handed_lease);
        auto next = second().service.begin(message("next"));
        EXPECT_EQ((co_await next->reader.wait_end(soon()))->state, TurnState::completed);
        const auto stored = co_await history();
        EXPECT_EQ(stored[1].state, TurnState::interrupted);
        EXPECT_EQ(stored[1].content, "Half ");
        const auto late = second().service.resume(name, {});
        EXPECT_TRUE(late.has_value());
        TurnReader reader(second().logs.find(name), worker.executor());
        EXPECT_EQ((co_await reader.wait_end(soon()))->error->code, base::Errc::not_found);
        EXPECT_FALSE(reader.has_started());
        EXPECT_EQ((co_await history()).size(), 4u);
        EXPECT_EQ((co_await say_again())->state, TurnState::completed) << "the claim is free";
    });
}

TEST_F(HandOver, OnlyOneTakesItOver) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Half ")}, seen);
        for (Process* process : {&first(), &second()})
            process->provider->script.push_back({.reads = {FakeProvider::text("done.", chat::StopReason::end_turn)}});
        auto one = first().service.resume(name, {});
        auto two = second().service.resume(name, {});
        std::vector<TurnState> states{(co_await one->reader.wait_end(soon()))->state,
                                      (co_await two->reader.wait_end(soon()))->state};
        EXPECT_THAT(states, testing::UnorderedElementsAre(TurnState::completed, TurnState::failed));
        EXPECT_EQ((co_await history()).back().content, "Half done.");
    });
}

TEST_F(HandOver, ATurnInNobodysHandsIsCancelled) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Half ")}, seen);
        EXPECT_TRUE((co_await first().store.ask_to_stop(name, TurnState::cancelled)).value());
        second().provider->script.push_back({.reads = {FakeProvider::text("never")}, .gate = gate()});
        const auto result = co_await resume(second(), name, seen);
        EXPECT_EQ(result->state, TurnState::cancelled);
        EXPECT_EQ(result->message, "Half ");
        EXPECT_EQ((co_await history()).back().state, TurnState::cancelled);
    });
}

TEST_F(HandOver, ATurnThatCannotBeGoneOnWithEndsWithWhatThereIs) {
    run([this]() -> async::Task<void> {
        auto request = message("question");
        request.model = "other/m";
        auto other = std::make_unique<FakeProvider>();
        FakeProvider* const provider = other.get();
        first().models.add("other", {.provider = std::move(other)});
        provider->script.push_back(
            {.reads = {FakeProvider::text("Half "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = first().service.begin(std::move(request));
        const TurnName name = begun->reader.name();
        co_await wait_for(first(), name, 2);
        EXPECT_TRUE(co_await first().service.hand_over(name, soon()));
        Seen seen;
        co_await read(std::move(begun->reader), seen);
        const auto result = co_await resume(second(), name, seen);  // it does not know that model
        EXPECT_EQ(result->state, TurnState::failed);
        EXPECT_EQ(result->message, "Half ");
        EXPECT_EQ(seen.kinds.back(), EventKind::ended);
        EXPECT_EQ((co_await history()).back().state, TurnState::failed);
        EXPECT_EQ((co_await say_again())->state, TurnState::completed);
    });
}

TEST_F(HandOver, WhoTookItOverMayDieToo) {
    run([this]() -> async::Task<void> {
        Seen seen;
        const TurnName name = co_await begin_and_hand_over({FakeProvider::text("Half ")}, seen);
        second().provider->script.push_back(
            {.reads = {FakeProvider::text("lost "), FakeProvider::text("never")}, .gate = gate(), .gate_at = 1});
        auto begun = second().service.resume(name, {});
        while (second().logs.find(name)->text() != "Half lost ") co_await a_moment();
        auto remote = co_await first().service.read(name, second().logs.find(name)->last_number());
        second().store.freeze();
        table.clock.advance(test::SharedTable::lease);
        EXPECT_EQ((co_await remote->wait_end(soon()))->state, TurnState::interrupted);
        EventBatch batch;
        EXPECT_TRUE(co_await remote->next(batch, soon()));
        EXPECT_EQ(batch.events.front().kind, EventKind::text_replaced);
        EXPECT_EQ(batch.text(batch.events.front().text), "Half ");
        second().store.thaw();
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->state, TurnState::interrupted);
        EXPECT_EQ((co_await history()).size(), 2u);
    });
}

}  // namespace
}  // namespace tertulia::sessions
