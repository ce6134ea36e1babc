#include "tertulia/telemetry/emf_metrics.h"

#include <gtest/gtest.h>

namespace tertulia::telemetry {
namespace {

TEST(EmfMetrics, ATurnIsOneLine) {
    EXPECT_EQ(
        format_emf({.state = "completed",
                    .provider = "anthropic",
                    .model = "anthropic/claude",
                    .seconds = 1.8401,
                    .first_token_seconds = 0.41,
                    .input = 11,
                    .cache_read = 1800,
                    .cache_write = 7,
                    .output = 388,
                    .reasoning = 5,
                    .cost_nano = 2'131'000,
                    .session_id = "s",
                    .turn_id = "t_1",
                    .request_id = "r_1"},
                   "anthropic/claude", 1'766'400'000'000),
        R"({"_aws":{"Timestamp":1766400000000,"CloudWatchMetrics":[{"Namespace":"Tertulia",)"
        R"("Dimensions":[[],["provider","model"]],"Metrics":[{"Name":"Turns","Unit":"Count"},)"
        R"({"Name":"Errors","Unit":"Count"},{"Name":"TurnLatency","Unit":"Milliseconds"},)"
        R"({"Name":"TimeToFirstToken","Unit":"Milliseconds"},{"Name":"InputTokens","Unit":"Count"},)"
        R"({"Name":"OutputTokens","Unit":"Count"},{"Name":"CacheReadTokens","Unit":"Count"},)"
        R"({"Name":"CacheWriteTokens","Unit":"Count"},{"Name":"ReasoningTokens","Unit":"Count"},)"
        R"({"Name":"CostUSD","Unit":"None"}]}]},"provider":"anthropic","model":"anthropic/claude","Turns":1,"Errors":0,)"
        R"("TurnLatency":1840,"TimeToFirstToken":410,"InputTokens":11,"OutputTokens":388,"CacheReadTokens":1800,)"
        R"("CacheWriteTokens":7,"ReasoningTokens":5,"CostUSD":0.002131000,"state":"completed",)"
        R"("answered_by":"anthropic/claude","session_id":"s","turn_id":"t_1","request_id":"r_1"})");
}

TEST(EmfMetrics, AFailureIsCountedByItsCodeToo) {
    EXPECT_EQ(
        format_emf({.state = "refused", .provider = "none", .seconds = 0.002, .code = "conflict", .session_id = "a\nb"},
                   "none", 1),
        R"({"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"Tertulia",)"
        R"("Dimensions":[[],["provider","model"]],"Metrics":[{"Name":"Turns","Unit":"Count"},)"
        R"({"Name":"Errors","Unit":"Count"},{"Name":"TurnLatency","Unit":"Milliseconds"},)"
        R"({"Name":"InputTokens","Unit":"Count"},{"Name":"OutputTokens","Unit":"Count"},)"
        R"({"Name":"CacheReadTokens","Unit":"Count"},{"Name":"CacheWriteTokens","Unit":"Count"},)"
        R"({"Name":"ReasoningTokens","Unit":"Count"}]},)"
        R"({"Namespace":"Tertulia","Dimensions":[["code"]],"Metrics":[{"Name":"Errors","Unit":"Count"}]}]},)"
        R"("provider":"none","model":"none","code":"conflict","Turns":1,"Errors":1,"TurnLatency":2,"InputTokens":0,)"
        R"("OutputTokens":0,"CacheReadTokens":0,"CacheWriteTokens":0,"ReasoningTokens":0,"state":"refused",)"
        R"("answered_by":"","session_id":"a\nb","turn_id":"","request_id":""})");
}

TEST(EmfMetrics, ACallOfAModelIsNoTurn) {
    EXPECT_EQ(format_emf({.state = "completed", .provider = "p", .model = "p/m", .seconds = 0.5, .request_id = "r_1"},
                         "p/m", 1'766'400'000'000, EmfLine::call),
              R"({"_aws":{"Timestamp":1766400000000,"CloudWatchMetrics":[{"Namespace":"Tertulia",)"
              R"("Dimensions":[[],["provider","model"]],"Metrics":[{"Name":"Calls","Unit":"Count"},)"
              R"({"Name":"Errors","Unit":"Count"},{"Name":"CallLatency","Unit":"Milliseconds"},)"
              R"({"Name":"InputTokens","Unit":"Count"},{"Name":"OutputTokens","Unit":"Count"},)"
              R"({"Name":"CacheReadTokens","Unit":"Count"},{"Name":"CacheWriteTokens","Unit":"Count"},)"
              R"({"Name":"ReasoningTokens","Unit":"Count"}]}]},"provider":"p","model":"p/m","Calls":1,"Errors":0,)"
              R"("CallLatency":500,"InputTokens":0,"OutputTokens":0,"CacheReadTokens":0,"CacheWriteTokens":0,)"
              R"("ReasoningTokens":0,"state":"completed","answered_by":"p/m","request_id":"r_1"})");
}

}  // namespace
}  // namespace tertulia::telemetry
