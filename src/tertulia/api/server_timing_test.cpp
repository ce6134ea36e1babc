#include "tertulia/api/server_timing.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

TEST(ServerTiming, has_a_metric_for_each_call) {
    EXPECT_EQ(server_timing({}), "");
    EXPECT_EQ(server_timing({{.model = "openai/m", .outcome = "timed_out", .ms = 30000, .tokens = 0},
                             {.model = "x\"y/\r\nm", .outcome = "ok", .ms = 7, .tokens = 12}}),
              R"(attempt-1;dur=30000;desc="timed_out", attempt-2;dur=7;desc="ok")");
}

}  // namespace
}  // namespace tertulia::api
