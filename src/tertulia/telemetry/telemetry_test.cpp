#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/prometheus_metrics.h"

namespace tertulia::telemetry {
namespace {

TEST(Log, WritesOneJsonObjectALine) {
    EXPECT_EQ(
        format_line(Log::Form::json, "2024-11-22T10:30:00.000000Z", Level::info, "turn ended",
                    {{"turn", "t_1"}, {"ms", 12}, {"ok", true}, {"seconds", 0.5}}),
        R"({"time":"2024-11-22T10:30:00.000000Z","level":"info","event":"turn ended","turn":"t_1","ms":12,"ok":true,"seconds":0.500})");
}

TEST(Log, EscapesWhatWouldBreakTheLine) {
    EXPECT_EQ(format_line(Log::Form::json, "t", Level::warn, "x", {{"text", "a\n\"b\"\xff"}}),
              "{\"time\":\"t\",\"level\":\"warn\",\"event\":\"x\",\"text\":\"a\\n\\\"b\\\"\xef\xbf\xbd\"}");
}

TEST(Log, TheReadableFormIsForATerminal) {
    EXPECT_EQ(
        format_line(Log::Form::readable, "2024-11-22T10:30:00.123456Z", Level::error, "no disk", {{"path", "a b"}}),
        "10:30:00.123 error no disk path=\"a b\"");
}

TEST(Log, KnowsItsLevels) {
    EXPECT_EQ(parse_level("warn"), Level::warn);
    EXPECT_EQ(parse_level("loud"), std::nullopt);
}

TEST(Metrics, CountsWhatHappened) {
    const auto made = make_prometheus_metrics();
    Metrics& metrics = *made;
    metrics.request("/chat", "POST", 200, 0.01);
    metrics.request("/chat", "POST", 200, 0.02);
    metrics.turn_began();
    metrics.turn_began();
    metrics.turn_ended({.state = "completed", .provider = "openai", .seconds = 1.5, .input = 7});
    metrics.set_gauge("tertulia_connections", "Open connections", 3);
    const std::string text = metrics.render();
    EXPECT_THAT(text,
                testing::HasSubstr(R"(tertulia_http_requests_total{method="POST",route="/chat",status="200"} 2)"));
    EXPECT_THAT(text, testing::HasSubstr("tertulia_turns_running 1"));
    EXPECT_THAT(text, testing::HasSubstr(R"(tertulia_tokens_total{class="input",provider="openai"} 7)"));
    EXPECT_THAT(text, testing::HasSubstr("tertulia_connections 3"));
    EXPECT_THAT(text, testing::HasSubstr("tertulia_turn_seconds_count 1"));
}

}  // namespace
}  // namespace tertulia::telemetry
