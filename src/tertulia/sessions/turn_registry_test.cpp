#include "tertulia/sessions/turn_registry.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <map>
#include <set>

namespace tertulia::sessions {
namespace {

class TurnRegistryTest : public testing::Test {
  protected:
    std::shared_ptr<TurnClaim> claim(const std::string& turn_id, const std::string& session = "s") {
        auto claim = std::make_shared<TurnClaim>(
            TurnClaim{.name = std::make_shared<const TurnName>(TurnName{{"local", session}, turn_id}),
                      .waiter = async::Waiter::make(context.get_executor()),
                      .executor = context.get_executor(),
                      .stop = {}});
        claims[turn_id] = claim;
        return claim;
    }
    base::Result<void> enter(const std::string& turn_id, OnBusy on_busy = OnBusy::queue,
                             const std::string& session = "s") {
        return registry.enter(claim(turn_id, session), on_busy);
    }
    // Lets the posts to the claims' worker run.
    bool is_stopped(const std::string& turn_id) {
        context.restart();
        context.poll();
        return claims[turn_id]->stop.stop_requested();
    }
    // The turns in the order in which their places come.
    std::vector<std::string> run_all() {
        std::vector<std::string> order;
        while (true) {
            const auto first = std::ranges::find_if(claims, [&](auto& one) { return registry.is_first(*one.second); });
            if (first == claims.end()) return order;
            order.push_back(first->first);
            registry.leave(*first->second);
        }
    }

    boost::asio::io_context context;
    TurnRegistry registry{3};
    std::map<std::string, std::shared_ptr<TurnClaim>> claims;
    const SessionKey key{.owner = "local", .session_id = "s"};
};

using Order = std::vector<std::string>;

TEST_F(TurnRegistryTest, TheTurnsOfASessionRunInTheOrderInWhichTheyCame) {
    for (const char* id : {"a", "b", "c"}) EXPECT_TRUE(enter(id));
    EXPECT_EQ(registry.running(key), "a");
    EXPECT_FALSE(registry.is_first(*claims["b"]));
    EXPECT_EQ(registry.size(), 3u);
    EXPECT_EQ(run_all(), (Order{"a", "b", "c"}));
    EXPECT_EQ(registry.running(key), "");
    EXPECT_EQ(registry.size(), 0u);
}

TEST_F(TurnRegistryTest, SessionsDoNotWaitForEachOther) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b", OnBusy::reject, "other"));
    EXPECT_TRUE(registry.is_first(*claims["b"]));
}

TEST_F(TurnRegistryTest, OneThatWaitsMayLeave) {
    for (const char* id : {"a", "b", "c"}) EXPECT_TRUE(enter(id));
    registry.leave(*claims["b"]);
    registry.leave(*claims["b"]);  // again: nothing
    EXPECT_EQ(registry.size(), 2u);
    EXPECT_EQ(run_all(), (Order{"a", "c"}));
}

TEST_F(TurnRegistryTest, ABusySessionRejects) {
    EXPECT_TRUE(enter("a", OnBusy::reject));
    const auto refused = enter("b", OnBusy::reject);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::conflict);
    EXPECT_TRUE(refused.error().retry_after);
    EXPECT_FALSE(is_stopped("a"));
    registry.leave(*claims["a"]);
    EXPECT_TRUE(enter("c", OnBusy::reject));
}

TEST_F(TurnRegistryTest, OnlySoManyWaitWhateverTheyWouldDo) {
    for (const char* id : {"a", "b", "c", "d"}) EXPECT_TRUE(enter(id));
    for (const OnBusy what : {OnBusy::queue, OnBusy::reject, OnBusy::interrupt}) {
        const auto refused = enter("e", what);
        ASSERT_FALSE(refused) << to_string(what);
        EXPECT_EQ(refused.error().code, base::Errc::conflict);
    }
    EXPECT_FALSE(is_stopped("a")) << "a refused interruption interrupts nothing";
    EXPECT_TRUE(registry.enter_behind_all(claim("deletion"))) << "what is no message has a place";
    EXPECT_EQ(run_all(), (Order{"a", "b", "c", "d", "deletion"}));
}

TEST_F(TurnRegistryTest, OfAllSessionsTogetherThereAreOnlySoMany) {
    TurnRegistry small(16, 2);
    const auto first = claim("1", "a");
    EXPECT_TRUE(small.enter(first, OnBusy::queue).has_value());
    EXPECT_TRUE(small.enter(claim("2", "b"), OnBusy::queue).has_value());
    const auto refused = small.enter(claim("3", "c"), OnBusy::queue);
    EXPECT_EQ(refused.error().code, base::Errc::unavailable);
    EXPECT_TRUE(refused.error().retry_after.has_value());
    EXPECT_TRUE(small.enter_behind_all(claim("4", "b")).has_value()) << "a deletion is no turn";
    small.leave(*first);
    small.leave(*claims["4"]);
    EXPECT_TRUE(small.enter(claim("5", "c"), OnBusy::queue).has_value());
}

TEST_F(TurnRegistryTest, AnInterruptionStopsWhatRunsAndGoesBeforeWhatWaits) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b"));
    EXPECT_TRUE(enter("c", OnBusy::interrupt));
    EXPECT_TRUE(is_stopped("a"));
    EXPECT_EQ(claims["a"]->stop_as, TurnState::cancelled);
    EXPECT_FALSE(is_stopped("b"));
    EXPECT_EQ(run_all(), (Order{"a", "c", "b"}));
    EXPECT_FALSE(is_stopped("b"));
    EXPECT_FALSE(is_stopped("c"));
}

TEST_F(TurnRegistryTest, OfSeveralInterruptionsTheLastOneStaysAndTheyKeepTheirOrder) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("waits"));
    EXPECT_TRUE(enter("b", OnBusy::interrupt));
    EXPECT_TRUE(enter("c", OnBusy::interrupt));
    EXPECT_FALSE(is_stopped("b")) << "its place has not come";
    registry.leave(*claims["a"]);
    EXPECT_EQ(registry.running(key), "b");
    EXPECT_TRUE(is_stopped("b")) << "who interrupts means whatever runs before its own turn";
    registry.leave(*claims["b"]);
    EXPECT_EQ(registry.running(key), "c");
    EXPECT_FALSE(is_stopped("c"));
    EXPECT_EQ(run_all(), (Order{"c", "waits"}));
    EXPECT_FALSE(is_stopped("waits"));
}

TEST_F(TurnRegistryTest, WhoNamesAParentInterruptsOnlyTheTurnOfThatMessage) {
    ASSERT_TRUE(enter("a"));
    const auto enter_seeing = [&](const std::string& turn_id, const std::string& parent) {
        const auto made = claim(turn_id);
        made->parent = parent;
        return registry.enter(made, OnBusy::interrupt);
    };
    ASSERT_TRUE(enter_seeing("early", "q"));  // nothing of "a" is stored yet
    registry.set_head(*claims["a"], "q");
    EXPECT_FALSE(is_stopped("a"));
    ASSERT_TRUE(enter_seeing("stale", "before"));
    EXPECT_FALSE(is_stopped("a"));
    ASSERT_TRUE(enter_seeing("fresh", "q"));
    EXPECT_TRUE(is_stopped("a"));
    registry.leave(*claims["a"]);
    EXPECT_TRUE(registry.is_first(*claims["fresh"]));
    EXPECT_EQ(run_all(), (Order{"fresh", "early", "stale"}));
}

TEST_F(TurnRegistryTest, OfTwoWhoInterruptTheSameMessageTheFirstIsNotInterrupted) {
    ASSERT_TRUE(enter("a"));
    registry.set_head(*claims["a"], "q");
    for (const char* id : {"first", "second"}) {
        const auto made = claim(id);
        made->parent = "q";
        ASSERT_TRUE(registry.enter(made, OnBusy::interrupt));
    }
    registry.leave(*claims["a"]);
    EXPECT_TRUE(registry.is_first(*claims["first"]));
    EXPECT_FALSE(is_stopped("first"));
}

TEST_F(TurnRegistryTest, AnInterruptionOfAnIdleSessionIsAMessageLikeAnyOther) {
    EXPECT_TRUE(enter("a", OnBusy::interrupt));
    EXPECT_TRUE(enter("b"));
    EXPECT_FALSE(is_stopped("a"));
    EXPECT_EQ(run_all(), (Order{"a", "b"}));
}

TEST_F(TurnRegistryTest, NothingOvertakesADeletion) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b"));
    EXPECT_TRUE(registry.enter_behind_all(claim("")));
    registry.stop_before(*claims[""], TurnState::cancelled);
    EXPECT_TRUE(is_stopped("a"));
    EXPECT_TRUE(is_stopped("b"));
    EXPECT_TRUE(enter("c", OnBusy::interrupt));
    EXPECT_EQ(run_all(), (Order{"a", "b", "", "c"}));
    EXPECT_FALSE(is_stopped("c"));
}

TEST_F(TurnRegistryTest, StopsTheTurnThatIsNamedRunningOrWaiting) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b"));
    EXPECT_TRUE(registry.stop({key, "b"}, TurnState::cancelled));
    EXPECT_TRUE(is_stopped("b"));
    EXPECT_FALSE(is_stopped("a"));
    EXPECT_FALSE(registry.stop({key, "c"}, TurnState::cancelled));
    EXPECT_FALSE(registry.stop({{.owner = "local", .session_id = "other"}, "a"}, TurnState::cancelled));
    EXPECT_FALSE(registry.stop({{.owner = "another", .session_id = "s"}, "a"}, TurnState::cancelled));
    EXPECT_FALSE(is_stopped("a"));
}

TEST_F(TurnRegistryTest, KnowsTheTurnsThatARequestBegan) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b"));
    EXPECT_TRUE(enter("x", OnBusy::queue, "other"));
    claims["b"]->request_id = claims["x"]->request_id = "r_1";
    std::set<std::string> begun;
    for (const TurnName& name : registry.begun_by("r_1")) begun.insert(name.turn_id);
    EXPECT_EQ(begun, (std::set<std::string>{"b", "x"}));
    registry.stop_begun_by("r_1", TurnState::interrupted, {.code = base::Errc::timed_out, .message = "late"});
    EXPECT_TRUE(is_stopped("b"));
    EXPECT_TRUE(is_stopped("x"));
    EXPECT_FALSE(is_stopped("a"));
    EXPECT_EQ(claims["b"]->stop_as, TurnState::interrupted);
    EXPECT_EQ(claims["b"]->why_stopped().code, base::Errc::timed_out);
    EXPECT_EQ(claims["a"]->why_stopped().code, base::Errc::conflict);
    registry.leave(*claims["b"]);
    registry.leave(*claims["x"]);
    EXPECT_TRUE(registry.begun_by("r_1").empty());
}

TEST_F(TurnRegistryTest, AtTheEndEverythingIsStoppedAndNothingEnters) {
    EXPECT_TRUE(enter("a"));
    EXPECT_TRUE(enter("b"));
    EXPECT_TRUE(enter("x", OnBusy::queue, "other"));
    registry.close();
    registry.stop_all(TurnState::interrupted);
    for (const char* id : {"a", "b", "x"}) {
        EXPECT_TRUE(is_stopped(id));
        EXPECT_EQ(claims[id]->stop_as, TurnState::interrupted);
    }
    EXPECT_EQ(enter("c").error().code, base::Errc::unavailable);
    EXPECT_EQ(registry.enter_behind_all(claim("d")).error().code, base::Errc::unavailable);
}

TEST_F(TurnRegistryTest, TheWaysToBeBusyHaveNames) {
    for (const OnBusy what : {OnBusy::queue, OnBusy::reject, OnBusy::interrupt})
        EXPECT_EQ(parse_on_busy(to_string(what)), what);
    for (const std::string_view text : {"", "Queue", "interrupt ", "wait"}) EXPECT_FALSE(parse_on_busy(text)) << text;
}

}  // namespace
}  // namespace tertulia::sessions
