#include "tertulia/sessions/session_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/turn_world.h"

namespace tertulia::sessions {
namespace {

using test::TurnWorld;
using testing::ElementsAre;

const SessionKey key{.owner = "local", .session_id = "s"};

// The gate stands open unless a test closes it.
class SessionFeedTest : public testing::Test {
  protected:
    SessionFeedTest() { world.gate.is_open = true; }
    ~SessionFeedTest() override {
        for (const auto& feed : feeds) feed->stop();
        world.settle();
    }

    TurnName say(const std::string& message, std::deque<std::string> wishes = {"finishes"}) {
        world.clock.advance(std::chrono::milliseconds(1));
        world.gate.wishes = std::move(wishes);
        auto begun = world.service.begin({.session_id = "s", .content = {chat::Text{"m:" + message}}});
        EXPECT_TRUE(begun);
        world.settle();
        return begun->reader.name();
    }
    TurnName go_on(const TurnName& turn) {
        world.gate.wishes = {"finishes"};
        auto begun = world.now(world.service.continue_turn(turn, {}));
        EXPECT_TRUE(begun);
        world.settle();
        return begun->reader.name();
    }
    void forget_logs() {
        world.clock.advance(std::chrono::hours(1));
        world.logs.sweep();
    }
    std::shared_ptr<SessionFeed> feed() {
        feeds.push_back(std::make_shared<SessionFeed>(world.service.feed(key)));
        return feeds.back();
    }
    // What there is to read now, as `turn:number`.
    std::vector<std::string> read(SessionFeed& from) {
        std::vector<std::string> ids;
        EventBatch batch;
        while (true) {
            const auto any = world.now(from.next(batch, base::Deadline(std::chrono::steady_clock::now())));
            EXPECT_TRUE(any);
            if (!any || !*any || batch.events.empty()) return ids;
            for (const auto& event : batch.events)
                ids.push_back(from.reader().name().turn_id + ":" + std::to_string(event.number));
        }
    }
    // All events of turns of four: started, text, usage, end.
    static std::vector<std::string> all_of(const std::vector<TurnName>& turns, int events = 4) {
        std::vector<std::string> ids;
        for (const TurnName& turn : turns)
            for (int number = 1; number <= events; ++number) ids.push_back(turn.turn_id + ":" + std::to_string(number));
        return ids;
    }

    TurnWorld world;
    std::vector<std::shared_ptr<SessionFeed>> feeds;
};

TEST_F(SessionFeedTest, BeginsWithTheNextTurnWhereNoneRuns) {
    say("before");
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    EXPECT_THAT(read(*reader), ElementsAre());
    const auto a = say("a"), b = say("b");
    EXPECT_EQ(read(*reader), all_of({a, b}));
    EXPECT_THAT(read(*reader), ElementsAre());
}

TEST_F(SessionFeedTest, WorksBeforeTheSessionsFirstMessage) {
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    const auto a = say("a");
    EXPECT_EQ(read(*reader), all_of({a}));
}

TEST_F(SessionFeedTest, BeginsWithTheFirstEventOfTheTurnThatRuns) {
    world.gate.is_open = false;
    world.store.gates_reads = false;
    const auto a = say("a");
    world.gate.end(0, 0);  // the message is stored
    world.gate.end(0, 0);  // the model opens
    world.settle();
    world.gate.end(0, 0);  // and says something
    world.settle();
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    EXPECT_EQ(read(*reader), all_of({a}, 2));
    world.gate.is_open = true;
    world.gate.end(0, 0);  // it finishes
    world.settle();
    EXPECT_THAT(read(*reader), ElementsAre(a.turn_id + ":3", a.turn_id + ":4", a.turn_id + ":5"));
}

TEST_F(SessionFeedTest, GoesOnFromTheStoreWhereTheLogsAreGoneAndBackToMemory) {
    const auto a = say("a"), b = say("b"), c = say("c");
    forget_logs();
    const auto d = say("d");
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from(a.turn_id, 0)));
    EXPECT_EQ(read(*reader), all_of({a, b, c, d}));
    forget_logs();
    EXPECT_THAT(read(*reader), ElementsAre());
    const auto e = say("e");
    EXPECT_EQ(read(*reader), all_of({e}));
}

TEST_F(SessionFeedTest, AReaderThatFallsBehindIsServedFromTheStore) {
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    const auto a = say("a");
    EventBatch batch;
    EXPECT_TRUE(world.now(reader->next(batch, base::Deadline::never())));
    std::vector<TurnName> missed;
    for (int i = 0; i < 20; ++i) {
        missed.push_back(say(std::to_string(i)));
        forget_logs();
    }
    EXPECT_EQ(read(*reader), all_of(missed));
}

TEST_F(SessionFeedTest, BeginsAfterAnyEventOfAnyTurn) {
    const auto a = say("a"), b = say("b");
    const std::vector<std::string> all = all_of({a, b});
    for (const bool in_memory : {true, false}) {
        if (!in_memory) forget_logs();
        for (std::size_t at = 0; at < all.size(); ++at) {
            const auto reader = feed();
            const TurnName& turn = at < 4 ? a : b;
            ASSERT_TRUE(world.now(reader->from(turn.turn_id, static_cast<std::uint32_t>(at % 4 + 1))));
            EXPECT_EQ(read(*reader),
                      std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(at) + 1, all.end()));
        }
    }
}

TEST_F(SessionFeedTest, ATurnThatNeverWasIsNotFound) {
    say("a");
    const auto found = world.now(feed()->from("t_never", 3));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, base::Errc::not_found);
}

TEST_F(SessionFeedTest, AContinuationComesAfterTheTurnThatItContinues) {
    const auto a = say("a", {"says", "breaks"});
    const auto continuation = go_on(a);
    const auto b = say("b");
    std::vector<std::string> expected = all_of({a});                                 // started, text, usage, failed
    for (const std::string& id : all_of({continuation}, 5)) expected.push_back(id);  // and the text so far
    for (const std::string& id : all_of({b})) expected.push_back(id);
    for (const bool in_memory : {true, false}) {
        if (!in_memory) forget_logs();
        const auto reader = feed();
        ASSERT_TRUE(world.now(reader->from(a.turn_id, 0)));
        EXPECT_EQ(read(*reader), expected) << in_memory;
    }
}

TEST_F(SessionFeedTest, TurnsThatNeverStartedArePassedOver) {
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    const auto a = say("a");
    say("not read", {"fails"});
    world.store.gates_reads = false;
    say("not stored", {"fails"});
    const auto b = say("b");
    EXPECT_EQ(read(*reader), all_of({a, b}));
}

TEST_F(SessionFeedTest, ATurnWhoseEndCouldNotBeStoredIsClosedByWhoeverAsksForIt) {
    world.store.gates_reads = false;
    const auto a = say("a", {"is done", "finishes", "fails"});
    const auto failed = world.now(world.service.read(a));
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->result()->state, TurnState::failed) << "while its log is here";
    forget_logs();
    {
        const auto closed = world.now(world.service.read(a));
        ASSERT_TRUE(closed) << closed.error().message;
        EXPECT_EQ(closed->result()->state, TurnState::interrupted);
    }
    const auto b = say("b");
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from(a.turn_id, 1)));
    const auto events = read(*reader);
    ASSERT_EQ(events.size(), 5u);
    EXPECT_EQ(events.front(), a.turn_id + ":10002") << "beyond all that anybody saw";
}

TEST_F(SessionFeedTest, AWaitEndsWithTheNextTurnOrWithAStop) {
    const auto reader = feed();
    ASSERT_TRUE(world.now(reader->from_now()));
    int batches = 0;
    bool stopped = false;
    const auto follow = [](std::shared_ptr<SessionFeed> from, int& count, bool& end) -> async::Task<void> {
        EventBatch batch;
        while (true) {
            const auto any = co_await from->next(batch, base::Deadline::never());
            EXPECT_TRUE(any && *any);
            if (batch.events.empty()) break;
            ++count;
        }
        end = true;
    };
    world.tasks.spawn(follow(reader, batches, stopped));
    world.settle();
    say("a");
    EXPECT_GT(batches, 0);
    EXPECT_FALSE(stopped);
    reader->stop();
    world.settle();
    EXPECT_TRUE(stopped);
}

TEST_F(SessionFeedTest, OneThatIsMovedGoesOn) {
    const auto a = say("a");
    SessionFeed first = world.service.feed(key);
    ASSERT_TRUE(world.now(first.from(a.turn_id, 4)));
    SessionFeed second(std::move(first));
    const auto b = say("b");
    EXPECT_EQ(read(second), all_of({b}));
}

}  // namespace
}  // namespace tertulia::sessions
