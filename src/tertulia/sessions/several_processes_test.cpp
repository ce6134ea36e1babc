// Several session services on one store: what other processes see, and what they may do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/sessions/session_service.h"
#include "tests/support/shared_world.h"

namespace tertulia::sessions {
namespace {

using test::FakeProvider;
using test::Process;
using test::soon;
using testing::ElementsAre;
using testing::HasSubstr;

using Gate = std::shared_ptr<async::Waiter>;
using Result = std::shared_ptr<const TurnResult>;

class SeveralProcesses : public testing::Test, protected test::SharedWorld {
  protected:
    SeveralProcesses() : SharedWorld(4) {}

    static TurnRequest message(const std::string& text, OnBusy on_busy = OnBusy::queue) {
        return {.session_id = "s", .content = {chat::Text{text}}, .on_busy = on_busy};
    }
    static TurnRequest once(const std::string& text, bool is_fresh = false) {
        TurnRequest request = message(text);
        request.once = {
            .key = "key", .fingerprint = text, .is_fresh = is_fresh, .remembered_for = base::Milliseconds(86'400'000)};
        return request;
    }
    async::Task<Result> say(Process& process, TurnRequest request) {
        auto begun = process.service.begin(std::move(request));
        EXPECT_TRUE(begun.has_value());
        if (!begun) co_return nullptr;
        co_return co_await begun->reader.wait_end(soon());
    }
    // A turn whose model says "Half " and then waits for the gate.
    async::Task<BegunTurn> begin_half(Process& process, TurnRequest request, Gate gate) {
        process.provider->script.push_back(
            {.reads = {FakeProvider::text("Half "), FakeProvider::text("and whole.", chat::StopReason::end_turn)},
             .gate = std::move(gate),
             .gate_at = 1});
        auto begun = process.service.begin(std::move(request));
        EXPECT_TRUE(begun.has_value());
        EventBatch batch;
        TurnReader reader(process.logs.find(begun->reader.name()), worker.executor(), 1);
        co_await reader.next(batch, soon());
        EXPECT_EQ(batch.bytes, "Half ");
        co_return std::move(*begun);
    }
    async::Task<std::vector<std::string>> history(const std::string& session = "s") {
        std::vector<std::string> lines;
        auto page = co_await table.memory.messages({"local", session}, {.limit = 1000});
        if (!page || !*page) co_return lines;
        for (const StoredMessage& entry : (*page)->messages) {
            std::string line = entry.content;
            if (entry.state != TurnState::completed) line += " (" + std::string(to_string(entry.state)) + ")";
            lines.push_back(std::move(line));
        }
        co_return lines;
    }
    // The text that a reader of these events has.
    static std::string text_of(const EventBatch& batch, std::string text = {}) {
        for (const auto& event : batch.events) {
            if (event.kind == EventKind::text_replaced) text.clear();
            if (event.kind == EventKind::text || event.kind == EventKind::text_replaced) text += batch.text(event.text);
        }
        return text;
    }
    // Everything that a reader reads to the end.
    async::Task<std::string> read_all(TurnReader reader, std::string text = {}) {
        EventBatch batch;
        do {
            EXPECT_TRUE(co_await reader.next(batch, soon()));
            text = text_of(batch, std::move(text));
        } while (!batch.events.empty() && !batch.has_end());
        co_return text;
    }
    const SessionKey key{"local", "s"};
};

// -- one order
// ---------------------------------------------------------------------------------------------------------

TEST_F(SeveralProcesses, ATurnOfOneProcessIsReadAndGoneOnFromInAnother) {
    run([this]() -> async::Task<void> {
        EXPECT_EQ((co_await say((*this)[0], message("one")))->state, TurnState::completed);
        const auto second = co_await say((*this)[1], message("two"));
        EXPECT_EQ(second->message, "3 messages, the last: two");
        EXPECT_EQ(second->conversation_length, 4);
        // A claim, two writes; no request but those of the turn.
        EXPECT_EQ((*this)[1].store.calls,
                  (std::map<std::string, int>{{"open_turn", 1}, {"begin_turn", 1}, {"end_turn", 1}}));
    });
}

TEST_F(SeveralProcesses, ANewSessionIsClaimedToo) {
    run([this]() -> async::Task<void> {
        auto request = message("new");
        request.session_id.clear();
        EXPECT_EQ((co_await say((*this)[0], std::move(request)))->state, TurnState::completed);
        EXPECT_EQ((*this)[0].store.calls["open_turn"], 1);
    });
}

TEST_F(SeveralProcesses, AMessageWaitsForATurnElsewhere) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        auto second = (*this)[1].service.begin(message("two"));
        EXPECT_TRUE(second.has_value());
        co_await second->reader.wait_start(soon());
        EXPECT_TRUE(second->reader.log().was_queued());
        co_await a_moment();
        EXPECT_FALSE(second->reader.has_started());
        EXPECT_EQ((*this)[1].registry.running(key), "") << "it waits";
        held->wake();
        EXPECT_EQ((co_await second->reader.wait_end(soon()))->message, "3 messages, the last: two");
        EXPECT_THAT(co_await history(), ElementsAre("one", "Half and whole.", "two", "3 messages, the last: two"));
    });
}

TEST_F(SeveralProcesses, AMessageThatRejectsIsRefusedAtOnce) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        const auto refused = co_await say((*this)[1], message("two", OnBusy::reject));
        EXPECT_EQ(refused->error->code, base::Errc::conflict);
        EXPECT_TRUE(refused->error->retry_after.has_value());
        held->wake();
        co_await first.reader.wait_end(soon());
        EXPECT_THAT(co_await history(), ElementsAre("one", "Half and whole."));
    });
}

TEST_F(SeveralProcesses, AMessageThatInterruptsEndsTheTurnElsewhere) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        const auto second = co_await say((*this)[1], message("two", OnBusy::interrupt));
        EXPECT_EQ(second->state, TurnState::completed);
        EXPECT_EQ(first.reader.result()->state, TurnState::cancelled);
        EXPECT_EQ((co_await history())[1], "Half  (cancelled)");
    });
}

TEST_F(SeveralProcesses, WhoInterruptsGoesBeforeThoseThatWaitForAnotherProcess) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        auto waits = (*this)[1].service.begin(message("waits"));
        co_await waits->reader.wait_start(soon());
        co_await a_moment();
        const auto second = co_await say((*this)[1], message("interrupts", OnBusy::interrupt));
        EXPECT_EQ(second->state, TurnState::completed);
        EXPECT_EQ((co_await waits->reader.wait_end(soon()))->state, TurnState::completed);
        const auto lines = co_await history();
        EXPECT_EQ(lines.size(), 6u);
        EXPECT_EQ(lines[2], "interrupts");
        EXPECT_EQ(lines[4], "waits");
    });
}

TEST_F(SeveralProcesses, AMessageWithAParentIsRefusedWhenItsPlaceHasCome) {
    run([this]() -> async::Task<void> {
        const auto seen = co_await say((*this)[0], message("one"));
        const Gate held = gate();
        auto between = co_await begin_half((*this)[0], message("between"), held);
        auto request = message("two");
        request.parent = seen->timestamp;
        auto refused = (*this)[1].service.begin(std::move(request));
        co_await refused->reader.wait_start(soon());
        held->wake();
        const auto result = co_await refused->reader.wait_end(soon());
        EXPECT_EQ(result->error->code, base::Errc::conflict);
        EXPECT_EQ(result->missed->size(), 2u);
        EXPECT_EQ((*this)[1].store.calls["abandon_turn"], 1);
        EXPECT_EQ((co_await say((*this)[2], message("three")))->state, TurnState::completed);
    });
}

TEST_F(SeveralProcesses, ATurnThatFailsBeforeItsStartGivesItsClaimBack) {
    run([this]() -> async::Task<void> {
        auto request = message("one");
        request.model = "fake/m";
        request.parent = "2024";
        EXPECT_EQ((co_await say((*this)[0], std::move(request)))->error->code, base::Errc::conflict);
        EXPECT_EQ((*this)[0].store.calls["abandon_turn"], 1);
        EXPECT_EQ((co_await say((*this)[1], message("two", OnBusy::reject)))->state, TurnState::completed);
    });
}

TEST_F(SeveralProcesses, TwoHundredMessagesOfFourProcessesAlternate) {
    run([this]() -> async::Task<void> {
        std::vector<BegunTurn> turns;
        for (int i = 0; i < 200; ++i) {
            Process& process = (*this)[static_cast<std::size_t>(i) % 4];
            process.provider->script.push_back(
                {.reads = {FakeProvider::text("re "), FakeProvider::text("m", chat::StopReason::end_turn)}});
            auto begun = process.service.begin(message("m" + std::to_string(i)));
            EXPECT_TRUE(begun.has_value());
            if (begun) turns.push_back(std::move(*begun));
            if (i % 10 == 9) co_await a_moment();
        }
        for (auto& turn : turns) EXPECT_EQ((co_await turn.reader.wait_end(soon()))->state, TurnState::completed);
        auto page = co_await table.memory.messages(key, {.limit = 1000});
        const auto& messages = (*page)->messages;
        EXPECT_EQ(messages.size(), 400u);
        std::set<std::string> asked;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            EXPECT_EQ(messages[i].role, i % 2 == 0 ? chat::Role::user : chat::Role::assistant);
            EXPECT_EQ(messages[i].turn_id, messages[i - i % 2].turn_id);
            if (i % 2 == 0) asked.insert(messages[i].content);
        }
        EXPECT_EQ(asked.size(), 200u);
    });
}

// -- dead and frozen processes
// -----------------------------------------------------------------------------------------

TEST_F(SeveralProcesses, TheTurnOfADeadProcessIsClosedAndItsSessionTakenOver) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        (*this)[0].store.freeze();
        auto second = (*this)[1].service.begin(message("two"));
        co_await second->reader.wait_start(soon());
        table.clock.advance(std::chrono::seconds(8));
        co_await a_moment();
        EXPECT_FALSE(second->reader.has_started()) << "it might still live";
        table.clock.advance(std::chrono::seconds(1));
        EXPECT_EQ((co_await second->reader.wait_end(soon()))->state, TurnState::completed);
        EXPECT_THAT(table.closed, ElementsAre(first.reader.name().turn_id));
        EXPECT_EQ((co_await history())[1], " (interrupted)");
        // The process was only frozen. What it gives now comes too late.
        (*this)[0].store.thaw();
        EXPECT_EQ((co_await first.reader.wait_end(soon()))->state, TurnState::interrupted);
        EXPECT_EQ((*this)[0].store.refused, 1);
        EXPECT_THAT(co_await history(), ElementsAre("one", " (interrupted)", "two", HasSubstr("the last: two")));
        EXPECT_EQ((co_await say((*this)[0], message("three")))->state, TurnState::completed);
    });
}

TEST_F(SeveralProcesses, AProcessFrozenBeforeItsMessageWritesNothingMore) {
    run([this]() -> async::Task<void> {
        // Frozen with the claim, and the model's whole answer, in its hands.
        (*this)[0].store.on_call = [this](std::string_view method) {
            if (method == "begin_turn") (*this)[0].store.freeze();
        };
        auto first = (*this)[0].service.begin(message("one"));
        co_await a_moment();
        EXPECT_TRUE((co_await history()).empty());
        table.clock.advance(std::chrono::seconds(10));
        EXPECT_EQ((co_await say((*this)[1], message("two")))->state, TurnState::completed);
        (*this)[0].store.on_call = nullptr;
        (*this)[0].store.thaw();
        const auto lost = co_await first->reader.wait_end(soon());
        EXPECT_TRUE(lost->error.has_value());
        EXPECT_FALSE(first->reader.has_started());
        EXPECT_THAT(co_await history(), ElementsAre("two", HasSubstr("the last: two")));
    });
}

TEST_F(SeveralProcesses, ABugLeavesTheSessionToTheNext) {
    run([this]() -> async::Task<void> {
        (*this)[0].provider->script.push_back({.throws = true});
        EXPECT_EQ((co_await say((*this)[0], message("one")))->error->code, base::Errc::internal);
        EXPECT_EQ((co_await say((*this)[1], message("two", OnBusy::reject)))->state, TurnState::completed);
        EXPECT_EQ((co_await history())[1], " (interrupted)");
    });
}

TEST_F(SeveralProcesses, AnInterruptedTurnIsContinuedInAnotherProcess) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        (*this)[0].registry.stop_all(TurnState::interrupted);
        EXPECT_EQ((co_await first.reader.wait_end(soon()))->state, TurnState::interrupted);
        (*this)[1].provider->script.push_back({.reads = {FakeProvider::text("done.", chat::StopReason::end_turn)}});
        auto begun = co_await (*this)[1].service.continue_turn(first.reader.name(), {});
        EXPECT_TRUE(begun.has_value());
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->message, "Half done.");
        EXPECT_THAT(co_await history(), ElementsAre("one", "Half done."));
    });
}

// -- readers elsewhere
// -------------------------------------------------------------------------------------------------

TEST_F(SeveralProcesses, AReaderElsewhereGetsTheWholeAnswerAtItsEnd) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        const TurnName name = first.reader.name();
        auto remote = co_await (*this)[1].service.read(name);
        auto same = co_await (*this)[1].service.read(name);
        EXPECT_TRUE(remote && same);
        EXPECT_EQ(&remote->log(), &same->log()) << "one follower for all";
        EXPECT_TRUE(remote->has_started());
        EXPECT_FALSE(remote->result());
        EXPECT_FALSE(remote->is_over());
        EventBatch batch;
        EXPECT_FALSE(co_await remote->next(batch, base::Deadline::after(base::Milliseconds(10)))) << "a heartbeat";
        auto page = co_await (*this)[1].service.messages(key, {});
        EXPECT_EQ(page->running, name.turn_id);
        held->wake();
        EXPECT_EQ(co_await read_all(*std::move(remote)), "Half and whole.");
        EXPECT_EQ((co_await same->wait_end(soon()))->state, TurnState::completed);
        EXPECT_EQ((co_await (*this)[1].service.messages(key, {}))->running, "");
    });
}

TEST_F(SeveralProcesses, AReaderElsewhereGoesOnWhereItWas) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        auto remote = co_await (*this)[1].service.read(first.reader.name(), 2);
        held->wake();
        EXPECT_EQ(co_await read_all(*std::move(remote), "Half "), "Half and whole.");
    });
}

TEST_F(SeveralProcesses, AFollowerEndsWhenNobodyReads) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        {
            auto remote = co_await (*this)[1].service.read(first.reader.name());
        }
        co_await a_moment();
        const int looks = (*this)[1].store.calls["news"];
        co_await a_moment();
        EXPECT_EQ((*this)[1].store.calls["news"], looks);
        held->wake();
        co_await first.reader.wait_end(soon());
    });
}

TEST_F(SeveralProcesses, AReaderElsewhereSeesADeadProcessTurnEndAsInterrupted) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        auto remote = co_await (*this)[1].service.read(first.reader.name(), 2);
        (*this)[0].store.freeze();
        table.clock.advance(std::chrono::seconds(9));
        EXPECT_EQ((co_await remote->wait_end(soon()))->state, TurnState::interrupted);
        EXPECT_EQ(co_await read_all(*std::move(remote), "Half "), "") << "what was lost is told";
    });
}

TEST_F(SeveralProcesses, ReadersComeBackWhereTheStoreIsAwayForLong) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        auto remote = co_await (*this)[1].service.read(first.reader.name());
        (*this)[1].store.is_away = true;
        EXPECT_EQ((co_await remote->wait_end(soon()))->state, TurnState::running);
        EXPECT_EQ(co_await read_all(*std::move(remote)), "") << "no terminal event";
        (*this)[1].store.is_away = false;
        held->wake();
        co_await first.reader.wait_end(soon());
        auto again = co_await (*this)[1].service.read(first.reader.name());
        EXPECT_EQ(co_await read_all(*std::move(again)), "Half and whole.");
    });
}

TEST_F(SeveralProcesses, AProcessThatStopsLetsItsFollowersGo) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        auto remote = co_await (*this)[1].service.read(first.reader.name());
        (*this)[1].registry.close();
        EXPECT_EQ((co_await remote->wait_end(soon()))->state, TurnState::running);
        held->wake();
        co_await first.reader.wait_end(soon());
    });
}

TEST_F(SeveralProcesses, CancellingReachesTheOtherProcess) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        const auto cancelled = co_await (*this)[1].service.cancel(first.reader.name(), soon());
        EXPECT_TRUE(cancelled.has_value());
        EXPECT_EQ(first.reader.result()->state, TurnState::cancelled);
        EXPECT_EQ(cancelled->result()->message, "Half ");
        const auto again = co_await (*this)[1].service.cancel(first.reader.name(), soon());
        EXPECT_TRUE(again.has_value()) << "it is cancelled";
    });
}

TEST_F(SeveralProcesses, DeletingEndsTheTurnElsewhereFirst) {
    run([this]() -> async::Task<void> {
        auto first = co_await begin_half((*this)[0], message("one"), gate());
        auto waits = (*this)[0].service.begin(message("waits"));
        EXPECT_TRUE(co_await (*this)[1].service.remove(key, soon()));
        EXPECT_EQ((co_await first.reader.wait_end(soon()))->state, TurnState::cancelled);
        co_await waits->reader.wait_end(soon());
        const auto lines = co_await history();
        EXPECT_TRUE(lines.empty() || lines.front() == "waits") << "nothing of before";
        EXPECT_EQ((co_await (*this)[2].service.remove({"local", "nosuch"}, soon())).error().code,
                  base::Errc::not_found);
        EXPECT_EQ((co_await say((*this)[2], message("new", OnBusy::reject)))->state, TurnState::completed);
    });
}

TEST_F(SeveralProcesses, AFeedTellsOfTheTurnsOfAllProcesses) {
    run([this]() -> async::Task<void> {
        co_await say((*this)[0], message("before"));
        SessionFeed feed = (*this)[1].service.feed(key);
        co_await feed.from_now();
        EventBatch batch;
        EXPECT_FALSE((co_await feed.next(batch, base::Deadline::after(base::Milliseconds(10)))).value());
        std::vector<std::string> expected, told;
        for (const int which : {0, 1, 2, 1, 0}) {
            const auto result = co_await say((*this)[static_cast<std::size_t>(which)], message("m"));
            expected.push_back(result->turn_id + " " + result->message);
        }
        while (told.size() < expected.size()) {
            std::string text;
            do {
                EXPECT_TRUE((co_await feed.next(batch, soon())).value());
                text = text_of(batch, std::move(text));
            } while (!batch.has_end());
            told.push_back(feed.reader().name().turn_id + " " + text);
        }
        EXPECT_EQ(told, expected);
    });
}

TEST_F(SeveralProcesses, AFeedBeginsWithTheTurnThatRunsElsewhere) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto first = co_await begin_half((*this)[0], message("one"), held);
        SessionFeed feed = (*this)[1].service.feed(key);
        co_await feed.from_now();
        EventBatch batch;
        EXPECT_FALSE((co_await feed.next(batch, base::Deadline::after(base::Milliseconds(10)))).value());
        held->wake();
        EXPECT_TRUE((co_await feed.next(batch, soon())).value());
        EXPECT_EQ(text_of(batch), "Half and whole.");
        co_await (*this)[2].service.remove(key, soon());
        co_await say((*this)[2], message("anew"));
        EXPECT_TRUE((co_await feed.next(batch, soon())).value());
        EXPECT_EQ(text_of(batch), "1 messages, the last: anew") << "the session was made anew";
    });
}

// -- once
// --------------------------------------------------------------------------------------------------------------

TEST_F(SeveralProcesses, ARepetitionElsewhereJoinsTheTurn) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        (*this)[0].provider->script.push_back(
            {.reads = {FakeProvider::text("once", chat::StopReason::end_turn)}, .gate = held});
        auto first = co_await (*this)[0].service.begin_once(once("hello"));
        co_await first->reader.wait_begun(soon());
        auto second = co_await (*this)[1].service.begin_once(once("hello"));
        EXPECT_TRUE(second && second->is_replay);
        EXPECT_EQ((co_await (*this)[2].service.begin_once(once("another"))).error().status, 422);
        held->wake();
        EXPECT_EQ((co_await second->reader.wait_end(soon()))->message, "once");
        EXPECT_EQ(second->reader.name().turn_id, first->reader.name().turn_id);
        auto third = co_await (*this)[2].service.begin_once(once("hello"));
        EXPECT_TRUE(third->is_replay);
        EXPECT_EQ((co_await third->reader.wait_end(soon()))->message, "once");
        EXPECT_EQ((co_await history()).size(), 2u);
    });
}

TEST_F(SeveralProcesses, TheSameRequestAtOnceInTwoProcessesRunsOnce) {
    run([this]() -> async::Task<void> {
        std::vector<std::shared_ptr<const TurnResult>> results(8);
        for (std::size_t i = 0; i < results.size(); ++i)
            worker.tasks().spawn([](Process& process, TurnRequest request, Result& result) -> async::Task<void> {
                request.session_id.clear();
                auto begun = co_await process.service.begin_once(std::move(request));
                EXPECT_TRUE(begun.has_value());
                if (begun) result = co_await begun->reader.wait_end(soon());
            }((*this)[i % 4], once("hello"), results[i]));
        co_await a_moment();
        while (std::ranges::count(results, nullptr) > 0) co_await a_moment();
        for (const Result& result : results) EXPECT_EQ(result->turn_id, results.front()->turn_id);
        std::size_t asked = 0;
        for (std::size_t i = 0; i < size(); ++i) asked += (*this)[i].provider->requests.size();
        EXPECT_EQ(asked, 1u);
    });
}

TEST_F(SeveralProcesses, ATurnThatWaitsIsJoinedWhenItBegins) {
    run([this]() -> async::Task<void> {
        const Gate held = gate();
        auto other = co_await begin_half((*this)[2], message("other"), held);
        auto first = co_await (*this)[0].service.begin_once(once("hello"));
        Result joined;
        worker.tasks().spawn([](Process& process, TurnRequest request, Result& result) -> async::Task<void> {
            auto begun = co_await process.service.begin_once(std::move(request));
            EXPECT_TRUE(begun && begun->is_replay);
            if (begun) result = co_await begun->reader.wait_end(soon());
        }((*this)[1], once("hello"), joined));
        co_await a_moment();
        held->wake();
        const auto result = co_await first->reader.wait_end(soon());
        while (!joined) co_await a_moment();
        EXPECT_EQ(joined->turn_id, result->turn_id);
        EXPECT_EQ((co_await history()).size(), 4u);
    });
}

TEST_F(SeveralProcesses, AKeyWhoseTurnNeverBeganIsFree) {
    run([this]() -> async::Task<void> {
        auto request = once("hello");
        request.parent = "2024";
        auto refused = co_await (*this)[0].service.begin_once(std::move(request));
        EXPECT_EQ((co_await refused->reader.wait_end(soon()))->error->code, base::Errc::conflict);
        auto again = co_await (*this)[1].service.begin_once(once("hello"));
        EXPECT_FALSE(again->is_replay);
        EXPECT_EQ((co_await again->reader.wait_end(soon()))->state, TurnState::completed);
    });
}

TEST_F(SeveralProcesses, TheSameKeyRunsAgainWhoseStoreFailed) {
    run([this]() -> async::Task<void> {
        (*this)[0].provider->on_open = [this] { (*this)[0].store.is_away = true; };
        auto failed = co_await (*this)[0].service.begin_once(once("hello"));
        EXPECT_EQ((co_await failed->reader.wait_end(soon()))->error->code, base::Errc::unavailable);
        (*this)[0].store.is_away = false;
        (*this)[0].provider->on_open = nullptr;
        table.clock.advance(std::chrono::seconds(9));
        auto again = co_await (*this)[0].service.begin_once(once("hello"));
        EXPECT_FALSE(again->is_replay);
        EXPECT_EQ((co_await again->reader.wait_end(soon()))->state, TurnState::completed);
        EXPECT_EQ((co_await history()).size(), 2u);
    });
}

TEST_F(SeveralProcesses, AFailedTurnIsTriedAgainInItsPlaceElsewhere) {
    run([this]() -> async::Task<void> {
        (*this)[0].provider->script.push_back(
            {.refusal = models::Failure{models::FailureKind::rejected,
                                        {.code = base::Errc::upstream_rejected, .message = "No."}}});
        auto failed = co_await (*this)[0].service.begin_once(once("hello"));
        EXPECT_EQ((co_await failed->reader.wait_end(soon()))->state, TurnState::failed);
        auto again = co_await (*this)[1].service.begin_once(once("hello"));
        EXPECT_FALSE(again->is_replay);
        EXPECT_EQ((co_await again->reader.wait_end(soon()))->state, TurnState::completed);
        EXPECT_THAT(co_await history(), ElementsAre("hello", "1 messages, the last: hello"));
        auto third = co_await (*this)[2].service.begin_once(once("hello"));
        EXPECT_TRUE(third->is_replay);
        EXPECT_EQ((co_await third->reader.wait_end(soon()))->turn_id, again->reader.name().turn_id);
    });
}

TEST_F(SeveralProcesses, AFreshRequestTakesTheKeyOver) {
    run([this]() -> async::Task<void> {
        auto first = co_await (*this)[0].service.begin_once(once("hello"));
        co_await first->reader.wait_end(soon());
        auto fresh = co_await (*this)[1].service.begin_once(once("hello", true));
        EXPECT_FALSE(fresh->is_replay);
        co_await fresh->reader.wait_end(soon());
        auto retry = co_await (*this)[2].service.begin_once(once("hello"));
        EXPECT_TRUE(retry->is_replay);
        EXPECT_EQ(retry->reader.name().turn_id, fresh->reader.name().turn_id);
    });
}

}  // namespace
}  // namespace tertulia::sessions
