#include "tertulia/api/own_turns.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

TEST(OwnTurns, one_is_forgotten_once_it_is_told_where_nobody_subscribes) {
    OwnTurns turns;
    turns.add("t_1", "s");
    EXPECT_TRUE(turns.contains("t_1"));
    turns.told("t_1", false);
    EXPECT_EQ(turns.size(), 0u);
    turns.told("t_1", true);
    EXPECT_EQ(turns.size(), 0u);
}

TEST(OwnTurns, a_subscription_comes_to_it_before_it_is_forgotten) {
    OwnTurns turns;
    turns.add("t_1", "s");
    turns.told("t_1", true);
    EXPECT_TRUE(turns.contains("t_1"));
    turns.passed("t_1");
    EXPECT_EQ(turns.size(), 0u);
}

TEST(OwnTurns, one_whose_subscription_ends_early_is_forgotten) {
    OwnTurns turns;
    turns.add("t_1", "s");
    turns.add("t_2", "s");
    turns.add("t_3", "other");
    turns.told("t_1", true);
    turns.told("t_3", true);
    turns.unsubscribed("s");
    EXPECT_FALSE(turns.contains("t_1"));
    EXPECT_TRUE(turns.contains("t_2")) << "it is still being told";
    EXPECT_TRUE(turns.contains("t_3"));
    turns.told("t_2", false);
    EXPECT_EQ(turns.size(), 1u);
}

}  // namespace
}  // namespace tertulia::api
