#include "tertulia/sessions/turn_reader.h"

#include <gtest/gtest.h>

#include "tests/support/turn_world.h"

namespace tertulia::sessions {
namespace {

using test::TurnWorld;

base::Deadline at_once() {
    return base::Deadline(std::chrono::steady_clock::now());
}

class TurnReaderTest : public testing::Test {
  protected:
    void say(std::string_view text) {
        chat::AnswerEvents steps;
        steps.add(chat::AnswerEvents::Kind::text, 0, text);
        log->append(steps);
    }
    void finish() {
        TurnResult result;
        result.message = log->text();
        log->finish(std::move(result), true);
    }

    TurnWorld world;
    const std::shared_ptr<TurnLog> log = std::make_shared<TurnLog>(
        std::make_shared<const TurnName>(TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t"}));
    EventBatch batch;
};

TEST_F(TurnReaderTest, SaysThatNothingCameByTheDeadline) {
    TurnReader reader(log, world.executor);
    EXPECT_FALSE(world.now(reader.next(batch, at_once())));
    EXPECT_FALSE(world.now(reader.wait_start(at_once())));
    EXPECT_FALSE(world.now(reader.wait_end(at_once())));
    log->start({}, {});
    EXPECT_TRUE(world.now(reader.next(batch, at_once())));
    EXPECT_EQ(batch.events.size(), 1u);
    EXPECT_FALSE(world.now(reader.next(batch, at_once())));
    EXPECT_TRUE(batch.events.empty());
}

TEST_F(TurnReaderTest, ItsLastBatchHasTheEndAndAfterThatThereIsAnEmptyOne) {
    TurnReader reader(log, world.executor);
    log->start({}, {});
    say("Hello");
    finish();
    EXPECT_FALSE(reader.is_over());
    EXPECT_TRUE(world.now(reader.next(batch, base::Deadline::never())));
    EXPECT_TRUE(batch.has_end());
    EXPECT_TRUE(reader.is_over());
    EXPECT_TRUE(world.now(reader.next(batch, base::Deadline::never())));
    EXPECT_TRUE(batch.events.empty());
}

TEST_F(TurnReaderTest, ItIsOverWhereNothingComesAfterItsPlace) {
    log->start({}, {});
    say("Hello");
    for (const std::uint32_t after : {0u, 2u, 4u, 9u})
        EXPECT_FALSE(TurnReader(log, world.executor, after).is_over()) << "the turn runs";
    finish();  // with 4
    for (const auto& [after, over] :
         std::vector<std::pair<std::uint32_t, bool>>{{0, false}, {3, false}, {4, true}, {9, true}}) {
        TurnReader reader(log, world.executor, after);
        EXPECT_EQ(reader.is_over(), over) << after;
        EXPECT_TRUE(world.now(reader.next(batch, base::Deadline::never())));
        EXPECT_EQ(batch.events.empty(), over) << after;
    }
}

TEST_F(TurnReaderTest, AStoppedOneGivesNothingAnyMoreAlsoWhileItWaits) {
    TurnReader reader(log, world.executor);
    bool ended = false;
    world.tasks.spawn([](TurnReader& from, EventBatch& into, bool& out) -> async::Task<void> {
        out = co_await from.next(into, base::Deadline::never());
    }(reader, batch, ended));
    world.settle();
    EXPECT_FALSE(ended);
    reader.stop();
    world.settle();
    EXPECT_TRUE(ended);
    EXPECT_TRUE(batch.events.empty());
    log->start({}, {});
    EXPECT_TRUE(world.now(reader.next(batch, at_once())));
    EXPECT_TRUE(batch.events.empty());
}

TEST_F(TurnReaderTest, OneThatIsMovedGoesOnAndLeavesNothingBehind) {
    TurnReader first(log, world.executor);
    log->start({}, {});
    world.now(first.next(batch, at_once()));
    {
        TurnReader second(std::move(first));
        say("Hello");
        EXPECT_TRUE(world.now(second.next(batch, at_once())));
        EXPECT_EQ(batch.text(batch.events.at(0).text), "Hello");
    }
    say("after both are gone");  // wakes nobody that is no more
    world.settle();
}

// What each wait is woken by: a queued turn's place, its start, its end.
TEST_F(TurnReaderTest, EachWaitEndsWithWhatItWaitsFor) {
    struct Waits {
        bool start = false;
        bool end = false;
    } waits;
    const auto wait = [](std::shared_ptr<TurnLog> from, async::Executor executor, Waits& out) -> async::Task<void> {
        TurnReader reader(from, executor);
        out.start = co_await reader.wait_start(base::Deadline::never());
        out.end = co_await reader.wait_end(base::Deadline::never()) != nullptr;
    };
    world.tasks.spawn(wait(log, world.executor, waits));
    world.settle();
    EXPECT_FALSE(waits.start);
    log->queue();
    world.settle();
    EXPECT_TRUE(waits.start) << "that it waits is worth telling";
    log->start({}, {});
    say("Hello");
    world.settle();
    EXPECT_FALSE(waits.end);
    finish();
    world.settle();
    EXPECT_TRUE(waits.end);
}

TEST_F(TurnReaderTest, ATurnThatEndsWithoutHavingStartedEndsAllWaits) {
    bool ended = false;
    world.tasks.spawn([](TurnReader reader, bool& out) -> async::Task<void> {
        EXPECT_TRUE(co_await reader.wait_start(base::Deadline::never()));
        EXPECT_FALSE(reader.has_started());
        out = co_await reader.wait_end(base::Deadline::never()) != nullptr;
    }(TurnReader(log, world.executor), ended));
    world.settle();
    log->finish({}, false);
    world.settle();
    EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace tertulia::sessions
