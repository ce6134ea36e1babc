#include "tertulia/sessions/turn_logs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tertulia/async/spawn.h"
#include "tests/support/manual_clock.h"

namespace tertulia::sessions {
namespace {

using testing::ElementsAre;

const SessionKey key{.owner = "local", .session_id = "s"};

class TurnLogsTest : public testing::Test {
  protected:
    void use(TurnLogs::Settings settings) { logs = std::make_unique<TurnLogs>(settings, clock); }

    static TurnName name(const std::string& turn_id, const SessionKey& session = key) { return {session, turn_id}; }
    base::Result<std::shared_ptr<TurnLog>> make(const std::string& turn_id, const SessionKey& session = key) {
        return logs->make(std::make_shared<const TurnName>(name(turn_id, session)));
    }
    std::shared_ptr<TurnLog> run(const std::string& turn_id, const std::string& text = "x") {
        auto log = make(turn_id);
        EXPECT_TRUE(log) << turn_id;
        (*log)->start({}, "maker");
        chat::AnswerEvents steps;
        steps.add(chat::AnswerEvents::Kind::text, 0, text);
        (*log)->append(steps);
        logs->started(*log);
        return *log;
    }
    std::shared_ptr<TurnLog> run_to_the_end(const std::string& turn_id, const std::string& text = "x") {
        auto log = run(turn_id, text);
        end(log);
        return log;
    }
    void end(const std::shared_ptr<TurnLog>& log) {
        TurnResult result;
        result.message = log->text();
        log->finish(std::move(result), true);
        logs->ended(log);
    }
    bool has(const std::string& turn_id) { return logs->find(name(turn_id)) != nullptr; }
    // The session's turns in their order, as a reader goes through them.
    std::vector<std::string> line(std::string after = {}) {
        std::vector<std::string> ids;
        while (true) {
            const auto next = logs->next(key, after);
            if (!next) return {"gone"};
            if (!*next) return ids;
            ids.push_back(after = (*next)->name().turn_id);
        }
    }

    test::ManualClock clock;
    std::unique_ptr<TurnLogs> logs = std::make_unique<TurnLogs>(TurnLogs::Settings{}, clock);
};

TEST_F(TurnLogsTest, ATurnIsFoundOnlyUnderItsSessionAndOwner) {
    const auto log = make("t");
    EXPECT_EQ(logs->find(name("t")), *log);
    EXPECT_FALSE(logs->find(name("t", {.owner = "local", .session_id = "other"})));
    EXPECT_FALSE(logs->find(name("t", {.owner = "another", .session_id = "s"})));
    EXPECT_FALSE(logs->find(name("u")));
}

TEST_F(TurnLogsTest, ASessionsTurnsStandInTheOrderInWhichTheyStarted) {
    EXPECT_FALSE(logs->newest(key));
    EXPECT_THAT(line(), ElementsAre());
    const auto first = make("a"), never = make("never"), second = make("b");
    logs->started(*second);
    logs->started(*first);
    EXPECT_THAT(line(), ElementsAre("b", "a"));
    EXPECT_THAT(line("b"), ElementsAre("a"));
    EXPECT_THAT(line("a"), ElementsAre());
    EXPECT_THAT(line("never"), ElementsAre("gone")) << "only the store can say what comes after it";
    EXPECT_EQ(logs->newest(key), *first);
    EXPECT_FALSE(logs->newest({.owner = "local", .session_id = "other"}));
}

TEST_F(TurnLogsTest, AnEndedLogStaysForItsTime) {
    use({.keep = base::Milliseconds(1000)});
    run_to_the_end("a");
    clock.advance(std::chrono::milliseconds(500));
    run_to_the_end("b");
    const auto running = run("c");
    clock.advance(std::chrono::milliseconds(499));
    logs->sweep();
    EXPECT_THAT(line(), ElementsAre("a", "b", "c"));
    clock.advance(std::chrono::milliseconds(1));
    logs->sweep();
    EXPECT_FALSE(has("a"));
    EXPECT_THAT(line(), ElementsAre("b", "c"));
    EXPECT_THAT(line("a"), ElementsAre("gone"));
    clock.advance(std::chrono::hours(1));
    logs->sweep();
    EXPECT_THAT(line(), ElementsAre("c")) << "a turn that runs stays, however long";
    end(running);
    clock.advance(std::chrono::seconds(1));
    EXPECT_TRUE(make("d"));  // a new one clears up as well
    EXPECT_FALSE(has("c"));
}

TEST_F(TurnLogsTest, EndedLogsHaveAQuarterOfTheMemoryAndTheOldestGoFirst) {
    use({.max_bytes = 100'000});
    const std::string text(8'000, 'x');
    for (const char* id : {"a", "b", "c", "d"}) run_to_the_end(id, text);
    EXPECT_FALSE(has("a"));
    EXPECT_FALSE(has("b"));
    EXPECT_THAT(line(), ElementsAre("c", "d"));
    run_to_the_end("large", std::string(30'000, 'x'));
    EXPECT_THAT(line(), ElementsAre()) << "the store has all of them";
}

TEST_F(TurnLogsTest, EndedLogsMakeWayAndBeyondThatANewTurnIsRefused) {
    use({.max_bytes = 100'000});
    run_to_the_end("ended", std::string(10'000, 'x'));
    auto first = run("a", std::string(45'000, 'x'));
    const auto second = run("b", std::string(60'000, 'x'));
    ASSERT_GE(logs->bytes(), 100'000);
    const auto refused = make("c");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::unavailable);
    EXPECT_TRUE(refused.error().retry_after);
    EXPECT_FALSE(has("c"));
    EXPECT_FALSE(has("ended"));
    EXPECT_TRUE(has("a") && has("b"));
    end(first);
    first.reset();
    EXPECT_TRUE(make("d"));
}

TEST_F(TurnLogsTest, ATurnMayGrowUntilTheOthersTakeTwiceWhatThereMayBe) {
    use({.max_bytes = 100'000});
    const auto large = run("large", std::string(500'000, 'x'));
    const auto a = make("a");
    EXPECT_FALSE(a) << "a new one is refused";
    EXPECT_TRUE(logs->may_grow(*large)) << "alone it takes nothing from others";
    logs->forget(key);
    use({.max_bytes = 100'000});
    const auto first = make("first").value(), second = make("second").value(), third = make("third").value();
    const auto say = [](const std::shared_ptr<TurnLog>& log, std::size_t size) {
        chat::AnswerEvents steps;
        steps.add(chat::AnswerEvents::Kind::text, 0, std::string(size, 'x'));
        log->append(steps);
    };
    say(first, 70'000);
    say(second, 70'000);
    EXPECT_TRUE(logs->may_grow(*first) && logs->may_grow(*third));
    say(first, 80'000);
    EXPECT_TRUE(logs->may_grow(*first)) << "the others take no more than half of it";
    EXPECT_FALSE(logs->may_grow(*third));
}

TEST_F(TurnLogsTest, MemoryIsCountedWhileALogIsThereAndNotLonger) {
    auto log = run("a", std::string(10'000, 'x'));
    EXPECT_GE(logs->bytes(), 10'000);
    EXPECT_LT(logs->bytes(), 40'000);
    end(log);
    EXPECT_GE(logs->bytes(), 10'000);
    EXPECT_LT(logs->bytes(), 20'000) << "the text of an answer is kept once";
    logs->forget(key);
    EXPECT_GE(logs->bytes(), 10'000) << "a reader still has it";
    log.reset();
    EXPECT_EQ(logs->bytes(), 0);
}

TEST_F(TurnLogsTest, ARestoredLogIsThereOnceWhileItIsRead) {
    use({.max_bytes = 100'000});
    StoredMessage answer;
    answer.role = chat::Role::assistant;
    answer.content = std::string(60'000, 'x');
    auto first = logs->restore(name("old"), answer);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ((*first)->text(), answer.content);
    EXPECT_GT(logs->bytes(), 60'000);
    EXPECT_LT(logs->bytes(), 70'000) << "its text is there once";
    EXPECT_EQ(logs->find(name("old")), *first);
    EXPECT_EQ(logs->restore(name("old"), answer).value(), *first);
    EXPECT_FALSE(logs->find(name("old", {.owner = "another", .session_id = "s"})));
    auto second = logs->restore(name("older"), answer);
    ASSERT_TRUE(second.has_value());
    EXPECT_EQ(logs->restore(name("oldest"), answer).error().code, base::Errc::unavailable);
    first->reset();
    second->reset();
    EXPECT_EQ(logs->bytes(), 0);
    EXPECT_FALSE(has("old"));
    EXPECT_TRUE(logs->restore(name("oldest"), answer).has_value());
}

TEST_F(TurnLogsTest, AnAnswerLargerThanAllThereMayBeCanBeReadAgain) {
    use({.max_bytes = 100'000});
    StoredMessage answer;
    answer.role = chat::Role::assistant;
    answer.content = std::string(300'000, 'x');
    auto log = logs->restore(name("large"), answer);
    ASSERT_TRUE(log.has_value());
    EXPECT_EQ((*log)->text(), answer.content);
    EXPECT_EQ(logs->restore(name("other"), answer).error().code, base::Errc::unavailable) << "but no more beside it";
    log->reset();
    EXPECT_TRUE(logs->restore(name("other"), answer).has_value());
}

TEST_F(TurnLogsTest, ADeletedSessionsEndedLogsAreForgotten) {
    run_to_the_end("a");
    const auto running = run("b");
    const SessionKey other{.owner = "local", .session_id = "other"};
    const auto elsewhere = make("c", other);
    logs->started(*elsewhere);
    (*elsewhere)->finish({}, false);
    logs->ended(*elsewhere);
    logs->forget(key);
    EXPECT_FALSE(has("a"));
    EXPECT_THAT(line(), ElementsAre("b"));
    EXPECT_TRUE(logs->find(name("c", other)));
    end(running);
    logs->forget(key);
    logs->forget(key);
    EXPECT_THAT(line(), ElementsAre());
    EXPECT_FALSE(logs->newest(key));
}

TEST_F(TurnLogsTest, WhoWaitsForASessionIsWokenByEveryStart) {
    boost::asio::io_context context;
    int woken = 0;
    const auto waiter = async::Waiter::make(context.get_executor());
    const auto wait = [&] {
        async::spawn(
            context.get_executor(),
            [](std::shared_ptr<async::Waiter> place, int& count) -> async::Task<void> {
                co_await place->wait(base::Deadline::never());
                ++count;
            }(waiter, woken),
            [](std::exception_ptr) {});
        context.restart();
        context.poll();
    };
    logs->add_waiter(key, waiter);
    wait();
    const auto elsewhere = make("x", {.owner = "another", .session_id = "s"});
    logs->started(*elsewhere);
    context.poll();
    EXPECT_EQ(woken, 0);
    run("a");
    context.poll();
    EXPECT_EQ(woken, 1);
    wait();
    logs->remove_waiter(key, waiter.get());
    logs->remove_waiter(key, waiter.get());
    run("b");
    context.poll();
    EXPECT_EQ(woken, 1);
    waiter->wake();
    context.poll();
}

}  // namespace
}  // namespace tertulia::sessions
