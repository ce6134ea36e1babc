#include "tertulia/models/first_token_times.h"

#include <gtest/gtest.h>

namespace tertulia::models {
namespace {

using std::chrono::milliseconds;

TEST(FirstTokenTimes, SaysNothingUntilThereAreEnough) {
    FirstTokenTimes times;
    for (std::size_t i = 0; i + 1 < FirstTokenTimes::enough; ++i) times.add("a", 10, milliseconds(1));
    EXPECT_FALSE(times.p95("a", 10));
    times.add("a", 10, milliseconds(1));
    EXPECT_EQ(times.p95("a", 10), milliseconds(1));
    EXPECT_FALSE(times.p95("b", 10));
}

TEST(FirstTokenTimes, AreKeptForEachSizeOfPrompt) {
    FirstTokenTimes times;
    for (int i = 1; i <= 20; ++i) {
        times.add("a", 900, milliseconds(i));
        times.add("a", 100'000, milliseconds(1000 * i));
    }
    EXPECT_EQ(times.p95("a", 1), milliseconds(20));
    EXPECT_EQ(times.p95("a", 70'000), milliseconds(20'000));
    EXPECT_FALSE(times.p95("a", 5'000));
}

TEST(FirstTokenTimes, OldOnesAreForgotten) {
    FirstTokenTimes times;
    for (int i = 0; i < 100; ++i) times.add("a", 1, milliseconds(9000));
    for (int i = 0; i < 64; ++i) times.add("a", 1, milliseconds(100 + i));
    EXPECT_EQ(times.p95("a", 1), milliseconds(160));
}

}  // namespace
}  // namespace tertulia::models
