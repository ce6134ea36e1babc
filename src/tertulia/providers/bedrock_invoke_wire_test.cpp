#include "tertulia/providers/bedrock_invoke_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "support/anthropic_request.h"
#include "support/aws_frame.h"
#include "support/reader_outcome.h"
#include "support/recordings.h"
#include "tertulia/base/base64.h"

namespace tertulia::providers {
namespace {

namespace json = boost::json;
using chat::ContentBlock;
using chat::Image;
using chat::Role;
using chat::StopReason;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::ToolChoice;
using chat::ToolResult;
using chat::Usage;
using models::FailureKind;
using support::aws_event;
using support::ReaderOutcome;
using testing::HasSubstr;
using testing::Not;
using Blocks = std::vector<ContentBlock>;

std::string chunk(std::string_view event) {
    return aws_event("chunk", R"({"bytes":")" + base::encode_base64(event) + R"(","p":"abcdef"})");
}

ReaderOutcome read(std::string_view body, std::string_view content_type = aws::event_stream_type) {
    return support::read_however_cut(bedrock_invoke_kind, content_type, body);
}

const std::string start =
    chunk(R"({"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}})");
const std::string hello =
    chunk(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}})");
const std::string end_turn =
    chunk(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}})");
const std::string stop = chunk(
    R"({"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":11,"outputTokenCount":4,"cacheReadInputTokenCount":7}})");

TEST(BedrockInvokeReader, reads_anthropics_events_in_chunks) {
    const ReaderOutcome outcome = read(start + aws_event("hologram", "{}") + hello + end_turn + stop);
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello"}});
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.usage, (Usage{.input = 10, .cache_read = 7, .output = 5})) << "the model's own counts go first";
}

TEST(BedrockInvokeReader, reads_a_chunk_however_its_json_is_written) {
    const std::string hi =
        base::encode_base64(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}})");
    for (const std::string& payload :
         {R"({"bytes":")" + hi + R"("})", R"({"bytes":")" + hi + R"(","p":""})",
          R"({"p":"ab","bytes":")" + hi + R"("})", R"({ "bytes" : ")" + hi + R"(" })",
          R"({"bytes":")" + hi + R"(","p":"a\"b"})", R"({"bytes":")" + hi + R"(","q":{"p":"a"}})",
          R"({"bytes":"\u0065)" + hi.substr(1) + R"("})"})
        EXPECT_EQ(read(start + aws_event("chunk", payload) + end_turn + stop).text(), "Hi") << payload;
}

TEST(BedrockInvokeReader, takes_counts_from_the_metrics_where_the_events_have_none) {
    const std::string bare = chunk(R"({"type":"message_start","message":{"usage":null}})") + hello +
                             chunk(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"}})");
    EXPECT_EQ(read(bare + stop).usage, (Usage{.input = 11, .cache_read = 7, .output = 4}));
}

TEST(BedrockInvokeReader, a_chunk_that_is_not_strictly_base64_is_a_failure) {
    for (const std::string_view payload :
         {"{}", R"({"bytes":7})", R"({"bytes":"e30"})", R"({"bytes":"e30=\n"})", R"({"bytes":"e31="})",
          R"({"bytes":"W10="})", R"({"bytes":""})", "{", "", R"({"bytes":"e30=","p":"a"b"})",
          R"({"bytes":"e3\u0030=","p":"a)", R"({"bytes":"e30=",})"}) {
        const ReaderOutcome outcome = read(start + hello + aws_event("chunk", payload) + end_turn + stop);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << payload;
        EXPECT_EQ(outcome.text(), "Hello") << payload;
    }
}

TEST(BedrockInvokeReader, a_stream_without_its_terminal_event_is_a_failure) {
    EXPECT_EQ(read("").failure, FailureKind::broken);
    EXPECT_EQ(read(start + hello).failure, FailureKind::broken);
    EXPECT_EQ(read(start + hello + end_turn).stop_reason, StopReason::end_turn) << "whole, but for its last word";
    EXPECT_EQ(read(start + hello + end_turn + stop.substr(0, 30)).failure, FailureKind::broken);
    std::string damaged = start + hello + end_turn + stop;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);
    EXPECT_EQ(read(damaged).failure, FailureKind::broken);
}

TEST(BedrockInvokeReader, errors_come_as_exceptions_and_as_anthropics) {
    const ReaderOutcome exception =
        read(start + hello + support::aws_exception("modelTimeoutException", R"({"message":"x"})") + stop);
    EXPECT_EQ(exception.failure, FailureKind::overloaded);
    EXPECT_EQ(exception.text(), "Hello");
    EXPECT_EQ(read(start + chunk(R"({"type":"error","error":{"type":"overloaded_error","message":"x"}})")).failure,
              FailureKind::overloaded);
}

TEST(BedrockInvokeReader, another_vendors_answer_is_refused_with_what_reads_it) {
    const std::string_view bodies[] = {
        R"({"output":{"message":{"content":[{"text":"Hi"}]}},"stopReason":"end_turn"})",
        R"({"results":[{"outputText":"Hi","completionReason":"FINISH"}]})",
        R"({"generation":"Hi","stop_reason":"stop"})",
        R"({"text":"Hi","finish_reason":"COMPLETE"})",
        R"({"choices":[{"message":{"content":"Hi"}}]})",
        R"({"message":{"role":"assistant","content":[{"type":"text","text":"Hi"}]},"finish_reason":"COMPLETE"})",
        "{}",
    };
    for (const std::string_view body : bodies) {
        for (const ReaderOutcome& outcome :
             {read(body, "application/json"), read(chunk(body)), read(start + chunk(body))}) {
            EXPECT_EQ(outcome.failure, FailureKind::denied) << body;
            EXPECT_THAT(outcome.message, HasSubstr("Use bedrock/some.model instead")) << body;
            EXPECT_EQ(outcome.text(), "");
        }
    }
    EXPECT_EQ(read(R"({"type":"message","content":[{"type":"text","text":"Hi"}]})", "application/json").failure,
              FailureKind::broken);
}

models::ModelRequest simple_request() {
    return {.model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            .messages = {{Role::user, {Text{"Hi"}}}},
            .max_tokens = 100,
            .stream = true};
}

TEST(BedrockInvokeBody, is_anthropics_without_the_model_and_the_stream) {
    models::ModelRequest request = simple_request();
    request.system = "Be brief.";
    request.temperature = 0.5;
    request.stable_messages = 1;
    EXPECT_EQ(
        build_bedrock_invoke_body(request),
        R"({"anthropic_version":"bedrock-2023-05-31","system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}],"max_tokens":100,"temperature":0.5})");
    EXPECT_EQ(bedrock_invoke_path(request),
              "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream");
    request.stream = false;
    EXPECT_EQ(bedrock_invoke_path(request), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke");
    request.model = "anthropic.claude-3-sonnet-20240229-v1:0";
    EXPECT_THAT(build_bedrock_invoke_body(request), Not(HasSubstr("cache_control")));
}

TEST(BedrockInvokeBody, says_in_words_what_the_host_does_not_take) {
    models::ModelRequest request = simple_request();
    request.messages[0].content.push_back(Image{"", "", "https://example.com/a.png"});
    request.tools = {{.name = "f", .description = {}, .schema = {}}};
    request.tool_choice = ToolChoice{.kind = ToolChoice::Kind::none, .name = {}};
    EXPECT_THAT(build_bedrock_invoke_body(request), HasSubstr("not shown: https://example.com/a.png]"));
    EXPECT_THAT(build_bedrock_invoke_body(request), Not(HasSubstr("tool")));
    request.messages.push_back({Role::assistant,
                                {Thinking{"a", "sig", std::string(anthropic_kind)},
                                 Thinking{"b", "sig", std::string(bedrock_invoke_kind)}, ToolCall{"t", "f", "{}"}}});
    request.messages.push_back({Role::user, {ToolResult{"t", {Text{"1"}}}}});
    const json::value body = json::parse(build_bedrock_invoke_body(request));
    EXPECT_EQ(body.at("tools").as_array().size(), 1u) << "the history needs them";
    EXPECT_FALSE(body.as_object().contains("tool_choice"));
    EXPECT_EQ(body.at("messages").at(1).at("content").at(0).at("thinking"), "b");
}

TEST(BedrockInvokeBody, says_what_the_recorded_requests_say) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    int compared = 0;
    for (const char* const api : {"invoke", "invoke-with-response-stream"}) {
        for (const support::Recording& recording : support::load_recordings("bedrock", api)) {
            json::error_code error;
            const json::value value = json::parse(recording.request_body, error);
            if (error || !value.is_object() || !value.as_object().contains("anthropic_version")) continue;
            auto request = support::to_model_request(value.as_object(), bedrock_invoke_kind);
            ASSERT_TRUE(request) << recording.name;
            request->model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
            EXPECT_EQ(support::normalized(json::parse(build_bedrock_invoke_body(*request))), support::normalized(value))
                << recording.name;
            ++compared;
        }
    }
    EXPECT_GE(compared, 9);
}

}  // namespace
}  // namespace tertulia::providers
