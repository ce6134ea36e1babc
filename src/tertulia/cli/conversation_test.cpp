#include "tertulia/cli/conversation.h"

#include <gtest/gtest.h>

namespace tertulia::cli {
namespace {

// What needs a server is tested with one: tests/blackbox/test_chat_*.py.
TEST(RetryPauseTest, DoublesUpToFiveSeconds) {
    const int expected[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    for (int failures = 0; failures < 7; ++failures)
        EXPECT_EQ(retry_pause(failures).count(), expected[failures]) << failures;
    EXPECT_EQ(retry_pause(1000).count(), 5000);
}

}  // namespace
}  // namespace tertulia::cli
