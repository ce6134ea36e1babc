#include "tertulia/providers/bedrock_converse_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/aws_frame.h"
#include "support/reader_outcome.h"

namespace tertulia::providers {
namespace {

using chat::ContentBlock;
using chat::Native;
using chat::StopReason;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::Usage;
using models::FailureKind;
using support::aws_event;
using support::aws_exception;
using support::ReaderOutcome;
using testing::HasSubstr;
using Blocks = std::vector<ContentBlock>;

const std::string maker(bedrock_converse_kind);

ReaderOutcome read(std::string_view body, std::string_view content_type = aws::event_stream_type) {
    return support::read_however_cut(bedrock_converse_kind, content_type, body);
}

const std::string start = aws_event("messageStart", R"({"p":"abc","role":"assistant"})");
const std::string hello = aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"a"})");
const std::string text_stop = aws_event("contentBlockStop", R"({"contentBlockIndex":0})");
const std::string stop = aws_event("messageStop", R"({"stopReason":"end_turn"})");
const std::string metadata = aws_event(
    "metadata",
    R"({"metrics":{"latencyMs":1},"usage":{"inputTokens":10,"outputTokens":5,"totalTokens":22,"cacheReadInputTokens":3,"cacheWriteInputTokens":4,"cacheDetails":[{"ttl":"5m","inputTokens":1},{"ttl":"1h","inputTokens":3}]}})");

TEST(BedrockConverseReader, reads_text_usage_and_stop_reason) {
    const ReaderOutcome outcome =
        read(start + hello + aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":" é"}})") +
             text_stop + stop + metadata);
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello \xc3\xa9"}});
    EXPECT_EQ(outcome.usage,
              (Usage{.input = 10, .cache_read = 3, .cache_write = 1, .cache_write_long = 3, .output = 5}));
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.failure, std::nullopt) << outcome.message;
}

TEST(BedrockConverseReader, reads_reasoning_tools_and_the_providers_own_blocks) {
    const auto delta = [](int index, std::string_view json) {
        return aws_event("contentBlockDelta",
                         R"({"contentBlockIndex":)" + std::to_string(index) + R"(,"delta":)" + std::string(json) + "}");
    };
    const auto begin = [](int index, std::string_view json) {
        return aws_event("contentBlockStart",
                         R"({"contentBlockIndex":)" + std::to_string(index) + R"(,"start":)" + std::string(json) + "}");
    };
    const auto end = [](int index) {
        return aws_event("contentBlockStop", R"({"contentBlockIndex":)" + std::to_string(index) + "}");
    };
    const ReaderOutcome outcome =
        read(start + delta(0, R"({"reasoningContent":{"text":"hm"}})") +
             delta(0, R"({"reasoningContent":{"signature":"c2ln"}})") + end(0) +
             delta(1, R"({"reasoningContent":{"redactedContent":"YWI="}})") +
             delta(1, R"({"reasoningContent":{"redactedContent":"Yw=="}})") + end(1) +
             begin(2, R"({"toolUse":{"name":"code","toolUseId":"s1","type":"server_tool_use"}})") +
             delta(2, R"({"toolUse":{"input":"{\"a\":"}})") + delta(2, R"({"toolUse":{"input":" 1}"}})") + end(2) +
             begin(3, R"({"toolResult":{"status":"success","toolUseId":"s1","type":"r"}})") +
             delta(3, R"({"toolResult":[{"text":"x"}]})") + delta(3, R"({"toolResult":[{"json":{"b":2}}]})") + end(3) +
             begin(4, R"({"toolUse":{"name":"f","toolUseId":"t1","type":"tool_use"}})") +
             begin(5, R"({"toolUse":{"name":"g","toolUseId":"t2"}})") + delta(4, R"({"toolUse":{"input":"{\"c\":"}})") +
             delta(4, R"({"toolUse":{"input":"3}"}})") + end(4) + end(5) +
             aws_event("messageStop", R"({"stopReason":"tool_use"})") + metadata);
    EXPECT_EQ(
        outcome.blocks,
        (Blocks{
            Thinking{"hm", "c2ln", maker}, Native{R"({"reasoningContent":{"redactedContent":"YWJj"}})", maker},
            Native{R"({"toolUse":{"name":"code","toolUseId":"s1","type":"server_tool_use","input":{"a": 1}}})", maker},
            Native{
                R"({"toolResult":{"status":"success","toolUseId":"s1","type":"r","content":[{"text":"x"},{"json":{"b":2}}]}})",
                maker},
            ToolCall{"t1", "f", R"({"c":3})"}, ToolCall{"t2", "g", "{}"}}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
}

TEST(BedrockConverseReader, skips_what_it_does_not_know) {
    const ReaderOutcome outcome =
        read(start + aws_event("hologram", R"({"x":1})") + hello +
             aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"citation":{"title":"t"}}})") +
             aws_event("contentBlockDelta", R"({"contentBlockIndex":7,"delta":{"toolUse":{"input":"{"}}})") +
             aws_event("contentBlockDelta", R"({"contentBlockIndex":8,"delta":{"toolResult":[{"text":"x"}]}})") +
             aws_event("contentBlockStart", R"({"contentBlockIndex":9,"start":{"image":{"format":"png"}}})") +
             text_stop + stop + metadata + "and what follows the end");
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello"}});
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
}

TEST(BedrockConverseReader, knows_every_stop_reason) {
    const std::pair<const char*, StopReason> table[] = {
        {"end_turn", StopReason::end_turn},
        {"max_tokens", StopReason::max_tokens},
        {"stop_sequence", StopReason::stop_sequence},
        {"tool_use", StopReason::tool_use},
        {"guardrail_intervened", StopReason::refusal},
        {"content_filtered", StopReason::refusal},
        {"model_context_window_exceeded", StopReason::context_exceeded},
        {"a_new_one", StopReason::end_turn},
    };
    for (const auto& [word, reason] : table) {
        const std::string said = std::string(R"("stopReason":")") + word + "\"";
        EXPECT_EQ(read(start + aws_event("messageStop", "{" + said + "}") + metadata).stop_reason, reason) << word;
        EXPECT_EQ(read(R"({"output":{"message":{"content":[]}},)" + said + "}", "application/json").stop_reason, reason)
            << word;
    }
    for (const std::string word : {"malformed_model_output", "malformed_tool_use"}) {
        const ReaderOutcome outcome =
            read(start + hello + aws_event("messageStop", R"({"stopReason":")" + word + "\"}") + metadata);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << word;
        EXPECT_EQ(outcome.text(), "Hello") << word;
    }
}

TEST(BedrockConverseReader, the_answer_ends_with_its_metadata) {
    chat::AnswerEvents events;
    BedrockConverseReader reader(aws::event_stream_type, base::Secret());
    ASSERT_TRUE(reader.feed(start + hello + text_stop + stop, events));
    EXPECT_FALSE(reader.finished());
    ASSERT_TRUE(reader.feed(metadata, events));
    EXPECT_TRUE(reader.finished());
    EXPECT_EQ(events.finish, StopReason::end_turn);
    // Should a host ever turn the order round, nothing is lost.
    EXPECT_EQ(read(start + hello + metadata + stop).usage->output, 5);
}

TEST(BedrockConverseReader, without_metadata_is_complete_only_where_the_body_ended_as_framed) {
    const std::string body = start + hello + text_stop + stop;
    const ReaderOutcome outcome = read(body);
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.usage, std::nullopt);
    EXPECT_EQ(read(body + metadata.substr(0, 20)).failure, FailureKind::broken);
    chat::AnswerEvents events;
    BedrockConverseReader reader(aws::event_stream_type, base::Secret());
    ASSERT_TRUE(reader.feed(body, events));
    EXPECT_FALSE(reader.end(false, events));
}

TEST(BedrockConverseReader, a_stream_that_is_cut_or_damaged_is_a_failure) {
    std::string bad_end = metadata;
    bad_end.back() = static_cast<char>(bad_end.back() ^ 1);
    std::string bad_length = hello;
    bad_length[3] = static_cast<char>(bad_length[3] ^ 1);
    const std::pair<const char*, std::string> table[] = {
        {"nothing", ""},
        {"no stop", start + hello + text_stop},
        {"metadata only", start + hello + metadata},
        {"a wrong checksum in the last message", start + hello + stop + bad_end},
        {"a wrong length", start + hello + bad_length + stop + metadata},
        {"not JSON", start + hello + aws_event("contentBlockDelta", "{") + stop + metadata},
        {"a lone surrogate",
         start + hello + aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"\ud800"}})") + stop},
        {"a delta without content", start + hello + aws_event("contentBlockDelta", R"({"contentBlockIndex":0})")},
        {"redacted reasoning that is not base64",
         start + hello +
             aws_event("contentBlockDelta",
                       R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"redactedContent":"?"}}})") +
             stop + metadata},
    };
    for (const auto& [name, body] : table) {
        const ReaderOutcome outcome = read(body);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << name;
        EXPECT_EQ(outcome.stop_reason, std::nullopt) << name;
        if (!body.empty()) EXPECT_EQ(outcome.text(), "Hello") << name;
    }
}

TEST(BedrockConverseReader, what_is_broken_behind_the_last_message_speaks_against_the_whole) {
    std::string bad_end = hello;
    bad_end.back() = static_cast<char>(bad_end.back() ^ 1);
    const std::string whole = start + hello + stop + metadata;
    for (const std::string& more : {bad_end, hello.substr(0, 20), std::string(1, '\0')})
        EXPECT_EQ(read(whole + more).failure, FailureKind::broken);
    EXPECT_EQ(read(whole + aws_event("ofTomorrow", "{}")).failure, std::nullopt);
}

TEST(BedrockConverseReader, an_exception_in_mid_stream_is_a_failure_that_keeps_the_text_before_it) {
    const ReaderOutcome outcome = read(
        start + hello + aws_exception("throttlingException", R"({"message":"slow down, the-key"})") + stop + metadata);
    EXPECT_EQ(outcome.failure, FailureKind::overloaded);
    EXPECT_EQ(outcome.text(), "Hello");
    EXPECT_THAT(outcome.message, HasSubstr("slow down, ***"));
    EXPECT_EQ(read(start + aws_exception("validationException", R"({"message":"no"})")).failure, FailureKind::rejected);
    EXPECT_EQ(
        read(start + support::aws_frame({{":message-type", "error"}, {":error-code", "InternalFailure"}}, "")).failure,
        FailureKind::overloaded);
}

TEST(BedrockConverseReader, reads_a_whole_answer) {
    const ReaderOutcome outcome = read(
        R"({"metrics":{"latencyMs":1},"output":{"message":{"role":"assistant","content":[)"
        R"({"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},{"reasoningContent":{"redactedContent":"YWI="}},)"
        R"({"text":"one"},{"citationsContent":{"content":[{"text":"two"},{"text":"!"}],"citations":[]}},)"
        R"({"toolUse":{"toolUseId":"t","name":"f","input":{"a":[1]}}},{"toolUse":{"toolUseId":"s","name":"g","type":"server_tool_use","input":{}}}]}},)"
        R"("stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}})",
        "application/json");
    EXPECT_EQ(
        outcome.blocks,
        (Blocks{Thinking{"hm", "s", maker}, Native{R"({"reasoningContent":{"redactedContent":"YWI="}})", maker},
                Text{"one"}, Text{"two!"}, ToolCall{"t", "f", R"({"a":[1]})"},
                Native{R"({"toolUse":{"toolUseId":"s","name":"g","type":"server_tool_use","input":{}}})", maker}}));
    EXPECT_EQ(outcome.usage, (Usage{.input = 1, .output = 2}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
}

TEST(BedrockConverseReader, what_is_no_whole_answer_is_a_failure) {
    for (const std::string_view body :
         {"", "{", "[]", "<html>", "{}", R"({"output":{"message":{"content":[]}}})", R"({"stopReason":"end_turn"})",
          R"({"output":{},"stopReason":"end_turn"})", R"({"output":{"message":{"content":[]}},"stopReason":null})"})
        for (const std::string_view type : {"application/json", "text/html", "text/event-stream", ""})
            EXPECT_EQ(read(body, type).failure, FailureKind::broken) << type << " " << body;
}

}  // namespace
}  // namespace tertulia::providers
