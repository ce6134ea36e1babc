#include "tertulia/sessions/idempotency_keys.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "tertulia/async/spawn.h"

namespace tertulia::sessions {
namespace {

using Outcome = IdempotencyKeys::Outcome;

const TurnName turn{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t_1"};

class IdempotencyKeysTest : public testing::Test {
  protected:
    IdempotencyKeys::Claim claim(const std::string& key, const std::string& fingerprint = "f", bool fresh = false,
                                 const std::string& owner = "local") {
        return keys.claim(owner, key, fingerprint, fresh, waiter);
    }
    // Has somebody been woken since the last time?
    bool was_woken() {
        bool woken = false;
        async::spawn(
            context.get_executor(),
            [](std::shared_ptr<async::Waiter> place, bool& out) -> async::Task<void> {
                // A wake that came before the wait ends it at once; else nothing does.
                co_await place->wait(base::Deadline::never());
                out = true;
            }(waiter, woken),
            [](std::exception_ptr) {});
        context.restart();
        context.poll();
        const bool before = woken;
        waiter->wake();
        context.restart();
        context.poll();
        return before;
    }

    boost::asio::io_context context;
    std::shared_ptr<async::Waiter> waiter = async::Waiter::make(context.get_executor());
    IdempotencyKeys keys;
};

TEST_F(IdempotencyKeysTest, TheFirstOneHasItAndTheOthersJoinItsTurn) {
    EXPECT_EQ(claim("k").outcome, Outcome::mine);
    EXPECT_EQ(claim("k").outcome, Outcome::wait);
    EXPECT_FALSE(was_woken());
    EXPECT_EQ(claim("k").outcome, Outcome::wait);
    keys.bind("local", "k", turn);
    EXPECT_TRUE(was_woken());
    const auto joined = claim("k");
    EXPECT_EQ(joined.outcome, Outcome::joins);
    EXPECT_EQ(joined.turn.turn_id, "t_1");
}

TEST_F(IdempotencyKeysTest, AnotherBodyIsRefusedWhetherTheTurnRunsOrIsYetToBeFound) {
    claim("k", "f");
    EXPECT_EQ(claim("k", "g").outcome, Outcome::mismatch);
    keys.bind("local", "k", turn);
    EXPECT_EQ(claim("k", "g").outcome, Outcome::mismatch);
}

TEST_F(IdempotencyKeysTest, OneThatIsGivenUpIsAnyonesAgain) {
    claim("k");
    claim("k");
    keys.release("local", "k", "");
    EXPECT_TRUE(was_woken()) << "who waits has to look again";
    EXPECT_EQ(claim("k", "g").outcome, Outcome::mine);
    keys.bind("local", "k", turn);
    keys.release("local", "k", "t_1");
    EXPECT_EQ(claim("k").outcome, Outcome::mine);
}

TEST_F(IdempotencyKeysTest, IsGivenUpOnlyByTheTurnThatItStandsFor) {
    claim("k");
    keys.bind("local", "k", turn);
    keys.release("local", "k", "");
    keys.release("local", "k", "t_0");
    keys.release("local", "other", "t_1");
    EXPECT_EQ(claim("k").outcome, Outcome::joins);
}

TEST_F(IdempotencyKeysTest, AFirstAttemptTakesTheKeyFromAnEarlierRequest) {
    claim("k", "f");
    keys.bind("local", "k", turn);
    EXPECT_EQ(claim("k", "g", true).outcome, Outcome::mine);
    keys.bind("local", "k", {.key = turn.key, .turn_id = "t_2"});
    keys.release("local", "k", "t_1");  // the earlier one's end
    EXPECT_EQ(claim("k", "g").turn.turn_id, "t_2");
}

TEST_F(IdempotencyKeysTest, EachOwnerHasItsOwn) {
    claim("k", "f", false, "ada");
    EXPECT_EQ(claim("k", "g", false, "grace").outcome, Outcome::mine);
}

TEST_F(IdempotencyKeysTest, NothingHappensWithAKeyThatNobodyHas) {
    keys.bind("local", "k", turn);
    keys.release("local", "k", "t_1");
    EXPECT_EQ(claim("k").outcome, Outcome::mine);
}

}  // namespace
}  // namespace tertulia::sessions
