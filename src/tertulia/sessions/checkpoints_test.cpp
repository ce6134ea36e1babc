#include "tertulia/sessions/checkpoints.h"

#include <gtest/gtest.h>

#include "tertulia/sessions/turn_checkpoint.h"
#include "tests/support/turn_world.h"

namespace tertulia::sessions {
namespace {

using Kind = chat::AnswerEvents::Kind;

// A world whose own checkpoints are off, with others beside them.
class CheckpointsTest : public testing::Test {
  protected:
    void use(Checkpoints::Settings settings) {
        checkpoints = std::make_unique<Checkpoints>(
            Checkpoints::Parts{.store = world.store, .clock = world.clock, .log = world.log, .metrics = metrics},
            settings);
        world.tasks.spawn(checkpoints->run(world.executor));
        world.settle();
    }
    ~CheckpointsTest() override {
        if (checkpoints) checkpoints->stop();
        world.settle();
    }

    static std::shared_ptr<TurnLog> log(const std::string& turn_id) {
        auto log = std::make_shared<TurnLog>(std::make_shared<const TurnName>(
            TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = turn_id}));
        log->start({.model = "p/m"}, "maker");
        return log;
    }
    void say(const std::shared_ptr<TurnLog>& log, std::string_view text) {
        chat::AnswerEvents steps;
        steps.add(Kind::text, 0, text);
        log->append(steps);
        checkpoints->changed(log);
    }
    void end_write(std::size_t outcome) {
        ASSERT_EQ(world.gate.pending().size(), 1u);
        world.gate.end(0, outcome);
        world.settle();
    }
    // What a start would find of the turn, if all writes from `first` on had been kept.
    TurnRemains remains(const std::string& turn_id, std::size_t first = 0) const {
        TurnRemains remains;
        for (std::size_t write = first; write < world.store.checkpoints.size(); ++write)
            for (const TurnCheckpoint& piece : world.store.checkpoints[write]) {
                if (piece.turn->turn_id != turn_id) continue;
                if (piece.is_whole) remains = {};
                EXPECT_TRUE(remains.add(piece.data));
            }
        return remains;
    }
    std::size_t writes() const { return world.store.checkpoints.size(); }

    telemetry::Metrics metrics;
    test::TurnWorld world;
    std::unique_ptr<Checkpoints> checkpoints;
};

constexpr std::size_t kept = 0, failed = 1;  // the outcomes of a write
const Checkpoints::Settings at_once{.interval = base::Milliseconds(1), .bytes = 1};

TEST_F(CheckpointsTest, NothingIsWrittenBeforeTheInterval) {
    use({.interval = std::chrono::hours(1), .bytes = 1000});
    for (int i = 0; i < 10; ++i) say(log("t"), "a word");
    world.settle();
    EXPECT_EQ(writes(), 0u);
}

TEST_F(CheckpointsTest, OneWriteHoldsAllTurnsThatHaveMore) {
    use(at_once);
    const auto a = log("a"), b = log("b"), c = log("c");
    for (const auto& turn : {a, b, c}) say(turn, turn->name().turn_id + " says");
    say(a, " more");
    world.clock.advance(std::chrono::milliseconds(2));
    world.settle();
    ASSERT_EQ(writes(), 1u);
    EXPECT_EQ(world.store.checkpoints[0].size(), 3u);
    EXPECT_EQ(remains("a").bytes, "a says more");
    EXPECT_EQ(remains("a").record, a->record().bytes());
    EXPECT_EQ(remains("a").model, "p/m");
    EXPECT_EQ(remains("a").maker, "maker");
    EXPECT_EQ(remains("c").bytes, "c says");
    end_write(kept);
    EXPECT_EQ(writes(), 1u) << "nothing has come since";
}

TEST_F(CheckpointsTest, WhatComesWhileOneIsUnderWayGoesIntoTheNextAndOnlyThat) {
    use(at_once);
    const auto turn = log("t");
    say(turn, "one ");
    world.settle();
    say(turn, "two ");
    say(turn, "three");
    world.settle();
    EXPECT_EQ(writes(), 1u) << "never two at once";
    end_write(kept);
    ASSERT_EQ(writes(), 2u);
    EXPECT_FALSE(world.store.checkpoints[1][0].is_whole);
    TurnRemains second;
    EXPECT_TRUE(second.add(world.store.checkpoints[1][0].data));
    EXPECT_EQ(second.bytes, "two three");
    EXPECT_EQ(remains("t").bytes, "one two three");
    EXPECT_EQ(remains("t").record, turn->record().bytes());
    end_write(kept);
}

TEST_F(CheckpointsTest, OneThatIsWatchedHasAnIntervalOfItsOwn) {
    use({.interval = std::chrono::hours(1), .bytes = 1000, .watched = std::chrono::seconds(1)});
    const auto seen = log("seen"), unseen = log("unseen");
    say(seen, "before ");
    say(unseen, "a word");
    world.settle();
    checkpoints->watched(seen, std::chrono::seconds(30));
    say(seen, "more ");
    world.clock.advance(std::chrono::seconds(1));
    world.settle();
    ASSERT_EQ(writes(), 1u);
    EXPECT_EQ(world.store.checkpoints[0].size(), 1u) << "the others cost what they did";
    EXPECT_EQ(remains("seen").bytes, "before more ");
    end_write(kept);
    say(seen, "and more");
    world.clock.advance(std::chrono::seconds(1));
    world.settle();
    ASSERT_EQ(writes(), 2u);
    EXPECT_EQ(remains("seen").bytes, "before more and more");
    end_write(kept);
    world.clock.advance(std::chrono::seconds(28));
    say(seen, ".");
    world.clock.advance(std::chrono::seconds(2));
    world.settle();
    EXPECT_EQ(writes(), 2u) << "nobody watches any more";
    say(unseen, std::string(1000, 'x'));
    world.clock.advance(base::Milliseconds(25));
    world.settle();
    ASSERT_EQ(writes(), 3u);
    EXPECT_EQ(remains("seen").bytes, "before more and more.");
    EXPECT_EQ(remains("unseen").bytes, "a word" + std::string(1000, 'x'));
    end_write(kept);
}

TEST_F(CheckpointsTest, WhatThereIsAndWhatStartsIsNewsWhereItIsWatched) {
    use({.interval = std::chrono::hours(1), .bytes = 1000, .watched = base::Milliseconds(0)});
    const auto seen = log("seen");
    checkpoints->watched(seen, std::chrono::seconds(30));
    world.settle();
    ASSERT_EQ(writes(), 1u) << "it had started already";
    end_write(kept);
    checkpoints->watched(seen, std::chrono::seconds(30));
    checkpoints->started(log("unseen"));
    world.settle();
    EXPECT_EQ(writes(), 1u) << "once, and nobody else's";
    EXPECT_EQ(remains("seen").record, seen->record().bytes());

    const auto later = std::make_shared<TurnLog>(
        std::make_shared<const TurnName>(TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "later"}));
    checkpoints->watched(later, std::chrono::seconds(30));
    world.settle();
    EXPECT_EQ(writes(), 1u) << "it has not started";
    later->start({.model = "p/m"}, "maker");
    checkpoints->started(later);
    world.settle();
    ASSERT_EQ(writes(), 2u);
    EXPECT_EQ(remains("later").record, later->record().bytes());
    end_write(kept);
}

TEST_F(CheckpointsTest, ATurnWithMuchToLoseDoesNotWait) {
    use({.interval = std::chrono::hours(1), .bytes = 100});
    const auto turn = log("t");
    say(turn, "little");
    world.settle();
    EXPECT_EQ(writes(), 0u);
    world.clock.advance(std::chrono::milliseconds(25));  // for others to share the write
    say(turn, std::string(100, 'x'));
    world.settle();
    ASSERT_EQ(writes(), 1u);
    EXPECT_EQ(remains("t").bytes.size(), 106u);
    end_write(kept);
    say(turn, "little");
    world.settle();
    EXPECT_EQ(writes(), 1u);
}

TEST_F(CheckpointsTest, AfterAFailureTheWholeIsWritten) {
    use(at_once);
    const auto turn = log("t"), other = log("u");
    say(turn, "one ");
    world.settle();
    end_write(kept);
    say(turn, "two ");
    say(other, "other");
    world.settle();
    end_write(failed);
    EXPECT_EQ(writes(), 2u) << "there is nothing new";
    say(turn, "three");
    world.settle();
    ASSERT_EQ(writes(), 3u);
    EXPECT_TRUE(world.store.checkpoints[2][0].is_whole);
    EXPECT_EQ(remains("t", 2).bytes, "one two three");
    EXPECT_EQ(remains("t", 2).record, turn->record().bytes());
    EXPECT_EQ(remains("t", 2).model, "p/m");
    EXPECT_EQ(remains("u", 2).bytes, "other") << "though it has said nothing since";
    end_write(kept);
}

TEST_F(CheckpointsTest, AWriteReservesNumbersOnlyWhenItIsKept) {
    use(at_once);
    const auto turn = log("t");
    say(turn, "one");
    world.settle();
    EXPECT_EQ(turn->reserved(), first_reserved_numbers);
    end_write(failed);
    EXPECT_EQ(turn->reserved(), first_reserved_numbers);
    say(turn, "two");
    const std::uint32_t last = turn->last_number();
    world.settle();
    say(turn, "three");
    end_write(kept);
    EXPECT_EQ(turn->reserved(), last + 10'000);
    EXPECT_EQ(remains("t", 1).reserved, last + 10'000 + 1) << "and the next one is under way";
    end_write(kept);
}

TEST_F(CheckpointsTest, WhoLeavesWaitsForTheOneUnderWayAndIsNotSavedAgain) {
    use(at_once);
    const auto turn = log("t"), other = log("u");
    say(turn, "one");
    world.settle();
    say(turn, "two");
    bool left = false;
    world.tasks.spawn(
        [](Checkpoints& from, std::shared_ptr<TurnLog> log, async::Executor executor, bool& out) -> async::Task<void> {
            co_await from.leave(log, executor);
            out = true;
        }(*checkpoints, turn, world.executor, left));
    world.settle();
    EXPECT_FALSE(left);
    end_write(kept);
    EXPECT_TRUE(left);
    EXPECT_EQ(writes(), 1u);
    say(turn, "three");
    say(other, "other");
    world.settle();
    ASSERT_EQ(writes(), 2u);
    EXPECT_EQ(world.store.checkpoints[1].size(), 1u);
    EXPECT_EQ(world.store.checkpoints[1][0].turn->turn_id, "u");
    end_write(failed);
    world.now([](Checkpoints& from, std::shared_ptr<TurnLog> log, async::Executor executor) -> async::Task<bool> {
        co_await from.leave(log, executor);
        co_return true;
    }(*checkpoints, other, world.executor));
}

TEST_F(CheckpointsTest, WhatIsReservedIsDurableFirst) {
    use({.interval = base::Milliseconds(0)});
    const auto turn = log("t");
    std::optional<base::Result<void>> reserved;
    const auto reserve = [](Checkpoints& from, std::shared_ptr<TurnLog> log,
                            std::optional<base::Result<void>>& out) -> async::Task<void> {
        out = co_await from.reserve(log);
    };
    world.tasks.spawn(reserve(*checkpoints, turn, reserved));
    world.settle();
    EXPECT_EQ(turn->reserved(), first_reserved_numbers);
    EXPECT_FALSE(reserved);
    end_write(kept);
    EXPECT_TRUE(reserved && *reserved);
    EXPECT_EQ(turn->reserved(), turn->last_number() + 10'000);
    EXPECT_EQ(remains("t").reserved, turn->reserved());
    EXPECT_TRUE(remains("t").bytes.empty());

    reserved.reset();
    const std::uint32_t before = turn->reserved();
    say(turn, "more");
    world.tasks.spawn(reserve(*checkpoints, turn, reserved));
    world.settle();
    end_write(failed);
    ASSERT_TRUE(reserved);
    EXPECT_FALSE(*reserved);
    EXPECT_EQ(turn->reserved(), before);
}

TEST_F(CheckpointsTest, AreOffWhereTheIntervalIsZero) {
    use({.interval = base::Milliseconds(0), .bytes = 1});
    say(log("t"), "text");
    world.clock.advance(std::chrono::hours(1));
    world.settle();
    EXPECT_EQ(writes(), 0u);
}

TEST_F(CheckpointsTest, TheLoopEndsWhenItIsStopped) {
    use(at_once);
    checkpoints->stop();
    world.settle();
    EXPECT_EQ(world.tasks.size(), 0u);
    say(log("t"), "text");
    world.settle();
    EXPECT_EQ(writes(), 0u);
}

}  // namespace
}  // namespace tertulia::sessions
