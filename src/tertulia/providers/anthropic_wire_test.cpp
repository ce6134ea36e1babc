#include "tertulia/providers/anthropic_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/reader_outcome.h"

namespace tertulia::providers {
namespace {

using base::Errc;
using chat::ContentBlock;
using chat::Native;
using chat::StopReason;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::Usage;
using models::FailureKind;
using support::ReaderOutcome;
using testing::HasSubstr;
using Blocks = std::vector<ContentBlock>;

constexpr std::string_view maker = anthropic_kind;

std::string stream(std::initializer_list<std::string_view> events) {
    return support::sse_stream(events, "event: whatever\n");
}

ReaderOutcome read(std::string_view body, std::string_view content_type = "text/event-stream; charset=utf-8") {
    return support::read_however_cut(anthropic_kind, content_type, body);
}

constexpr std::string_view start =
    R"({"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":10,"cache_read_input_tokens":3,"cache_creation_input_tokens":4,"output_tokens":1}}})";
constexpr std::string_view text_start =
    R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})";
constexpr std::string_view hello =
    R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}   })";
constexpr std::string_view text_stop = R"({"type":"content_block_stop","index":0})";
constexpr std::string_view end_turn =
    R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}})";
constexpr std::string_view stop = R"({"type":"message_stop"})";

TEST(AnthropicReader, reads_text_usage_and_stop_reason) {
    const ReaderOutcome outcome = read(stream(
        {start, text_start, R"({"type": "ping"})", hello,
         R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" \u00e9\ud83d\ude00 ü"}})",
         text_stop, end_turn, stop}));
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello \xc3\xa9\xf0\x9f\x98\x80 \xc3\xbc"}});
    EXPECT_EQ(outcome.usage, (Usage{.input = 10, .cache_read = 3, .cache_write = 4, .output = 5}));
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.failure, std::nullopt);
}

TEST(AnthropicReader, reads_thinking_tools_and_the_providers_own_blocks) {
    const ReaderOutcome outcome = read(stream({
        start,
        R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})",
        R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})",
        R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}})",
        R"({"type":"content_block_stop","index":0})",
        R"({"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"xyz"}})",
        R"({"type":"content_block_stop","index":1})",
        R"({"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s1","name":"web_search","input":{},"caller":{"type":"direct"}}})",
        R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}})",
        R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"q\":"}})",
        R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" \"x\"}"}})",
        R"({"type":"content_block_stop","index":2})",
        R"({"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}})",
        R"({"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}})",
        R"({"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"t2","name":"g","input":{}}})",
        R"({"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"1}"}})",
        R"({"type":"content_block_stop","index":3})",
        R"({"type":"content_block_stop","index":4})",
        R"({"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}})",
        stop,
    }));
    EXPECT_EQ(
        outcome.blocks,
        (Blocks{
            Thinking{"hm", "c2ln", std::string(maker)},
            Native{R"({"type":"redacted_thinking","data":"xyz"})", std::string(maker)},
            Native{
                R"({"type":"server_tool_use","id":"s1","name":"web_search","input":{"q": "x"},"caller":{"type":"direct"}})",
                std::string(maker)},
            ToolCall{"t1", "f", R"({"a":1})"}, ToolCall{"t2", "g", "{}"}}));
    EXPECT_EQ(outcome.usage, (Usage{.input = 10, .cache_read = 3, .cache_write = 4, .output = 5, .reasoning = 4}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
}

TEST(AnthropicReader, skips_what_it_does_not_know) {
    const ReaderOutcome outcome = read(
        stream({start, R"({"type":"message_hologram","x":[1,2,{"y":null}]})", text_start, hello,
                R"({"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"url":"u"}}})",
                R"({"type":"content_block_delta","index":9,"delta":{"type":"input_json_delta","partial_json":"{"}})",
                text_stop, R"({"type":"content_block_stop","index":77})", R"({"no":"type"})", "[DONE]", end_turn, stop,
                "not even JSON"}));
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello"}});
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
}

TEST(AnthropicReader, knows_every_stop_reason) {
    const std::pair<const char*, StopReason> table[] = {
        {"end_turn", StopReason::end_turn},
        {"max_tokens", StopReason::max_tokens},
        {"stop_sequence", StopReason::stop_sequence},
        {"tool_use", StopReason::tool_use},
        {"pause_turn", StopReason::pause_turn},
        {"refusal", StopReason::refusal},
        {"model_context_window_exceeded", StopReason::context_exceeded},
        {"a_new_one", StopReason::end_turn},
    };
    for (const auto& [word, reason] : table) {
        const std::string delta = std::string(R"({"type":"message_delta","delta":{"stop_reason":")") + word + R"("}})";
        EXPECT_EQ(read(stream({start, delta, stop})).stop_reason, reason) << word;
        const std::string whole = std::string(R"({"content":[],"stop_reason":")") + word + R"("})";
        EXPECT_EQ(read(whole, "application/json").stop_reason, reason) << word;
    }
}

TEST(AnthropicReader, later_usage_replaces_only_what_it_names) {
    const struct {
        std::string_view start, delta;
        std::optional<Usage> usage;
    } table[] = {
        {R"({"type":"message_start","message":{"usage":null}})", end_turn, Usage{.output = 5}},
        {R"({"type":"message_start","message":{}})",
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":null})", std::nullopt},
        {start,
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":11,"cache_read_input_tokens":null,"output_tokens":6}})",
         Usage{.input = 11, .cache_read = 3, .cache_write = 4, .output = 6}},
        {start,
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2,"output_tokens_details":{"thinking_tokens":7}}})",
         Usage{.input = 10, .cache_read = 3, .cache_write = 4, .reasoning = 2}},
        {R"({"type":"message_start","message":{"usage":{"input_tokens":1,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":1}}})",
         end_turn, Usage{.input = 1, .cache_write = 2, .cache_write_long = 7, .output = 5}},
        {R"({"type":"message_start","message":{"usage":{"input_tokens":1,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":7},"output_tokens":1}}})",
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"cache_creation":null,"output_tokens":5}})",
         Usage{.input = 1, .cache_write_long = 3, .output = 5}},
        {R"({"type":"message_start","message":{"usage":{"input_tokens":-5,"output_tokens":1e300}}})",
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{}})", Usage{}},
    };
    for (const auto& row : table) EXPECT_EQ(read(stream({row.start, row.delta, stop})).usage, row.usage) << row.delta;
}

TEST(AnthropicReader, a_stream_without_its_terminal_event_is_a_failure) {
    const std::string bodies[] = {
        "",
        stream({start}),
        stream({start, text_start, hello}),
        stream({start, text_start, hello, text_stop, stop}),  // no reason was given
        stream({start, text_start, hello, text_stop}) + "data: {\"type\":\"message_stop\"}\n",
    };
    for (const std::string& body : bodies) {
        const ReaderOutcome outcome = read(body);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << body;
        EXPECT_EQ(outcome.code, Errc::upstream_unavailable) << body;
        EXPECT_EQ(outcome.stop_reason, std::nullopt) << body;
    }
}

TEST(AnthropicReader, without_message_stop_is_complete_only_where_the_body_ended_as_framed) {
    const std::string body = stream({start, text_start, hello, end_turn});
    const ReaderOutcome outcome = read(body);
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello"}});
    EXPECT_EQ(outcome.usage->output, 5);
    chat::AnswerEvents events;
    AnthropicReader reader("text/event-stream", base::Secret());
    ASSERT_TRUE(reader.feed(body, events));
    EXPECT_FALSE(reader.end(false, events));
}

TEST(AnthropicReader, a_malformed_event_is_a_failure_that_keeps_the_text_before_it) {
    for (const std::string_view bad :
         {"", "{", "[]", "17", "\"x\"", "{\"type\":\"ping\"} x", "{\"type\":\"ping\",\"x\":\"\xff\"}",
          R"({"type":"p","x":"\udc00"})",
          R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ud800"}})",
          R"({"type":"content_block_delta","index":0})", R"({"type":"content_block_start","index":0})",
          R"({"type":"ping","unvisited":tru})"}) {
        const ReaderOutcome outcome = read(stream({start, text_start, hello, bad, text_stop, end_turn, stop}));
        EXPECT_EQ(outcome.failure, FailureKind::broken) << bad;
        EXPECT_EQ(outcome.text(), "Hello") << bad;
        EXPECT_EQ(outcome.stop_reason, std::nullopt) << bad;
    }
}

TEST(AnthropicReader, an_error_in_mid_stream_is_a_failure) {
    const struct {
        std::string_view event;
        FailureKind kind;
        Errc code;
    } table[] = {
        {R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {R"({"type":"error","error":{"type":"api_error","message":"x"}})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {R"({"type":"error"})", FailureKind::overloaded, Errc::upstream_unavailable},
        {R"({"error":{"message":"a gateway's"}})", FailureKind::overloaded, Errc::upstream_unavailable},
        {R"({"type":"error","error":{"type":"invalid_request_error","message":"x"}})", FailureKind::rejected,
         Errc::upstream_rejected},
    };
    for (const auto& row : table) {
        const ReaderOutcome outcome = read(stream({start, text_start, hello, row.event, end_turn, stop}));
        EXPECT_EQ(outcome.failure, row.kind) << row.event;
        EXPECT_EQ(outcome.code, row.code) << row.event;
        EXPECT_EQ(outcome.text(), "Hello") << row.event;
    }
    EXPECT_THAT(
        read(stream({R"({"type":"error","error":{"type":"api_error","message":"key the-key is bad"}})"})).message,
        HasSubstr("key *** is bad"));
}

TEST(AnthropicReader, a_second_message_start_voids_the_first_answer_unless_text_was_given) {
    const std::string_view thinking =
        R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}})";
    const ReaderOutcome again = read(stream({start, thinking, start, text_start, hello, end_turn, stop}));
    EXPECT_EQ(again.blocks, Blocks{Text{"Hello"}});
    EXPECT_EQ(again.stop_reason, StopReason::end_turn);
    const ReaderOutcome spliced = read(stream({start, text_start, hello, start, text_start, hello, end_turn, stop}));
    EXPECT_EQ(spliced.failure, FailureKind::broken);
    EXPECT_EQ(spliced.text(), "Hello");
}

TEST(AnthropicReader, reads_a_whole_answer) {
    const ReaderOutcome outcome = read(
        R"({"type":"message","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"one"},)"
        R"({"type":"tool_use","id":"t","name":"f","input":{"a":[1]}},{"type":"novel","x":1},{"type":"text","text":"two"}],)"
        R"("stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}})"
        "\n",
        "application/json");
    EXPECT_EQ(outcome.blocks,
              (Blocks{Thinking{"hm", "s", std::string(maker)}, Text{"one"}, ToolCall{"t", "f", R"({"a":[1]})"},
                      Native{R"({"type":"novel","x":1})", std::string(maker)}, Text{"two"}}));
    EXPECT_EQ(outcome.usage, (Usage{.input = 1, .output = 2}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
}

TEST(AnthropicReader, what_is_no_whole_answer_is_a_failure) {
    for (const std::string_view body :
         {"", "{", "[]", "<html>", "{}", R"({"content":[]})", R"({"stop_reason":"end_turn"})",
          R"({"content":[],"stop_reason":null})", R"({"content":[],"stop_reason":"end_turn"} x)"}) {
        for (const std::string_view type : {"application/json", "text/html", ""}) {
            const ReaderOutcome outcome = read(body, type);
            EXPECT_EQ(outcome.failure, FailureKind::broken) << body;
        }
    }
    EXPECT_EQ(read(R"({"type":"error","error":{"type":"overloaded_error"}})", "application/json").failure,
              FailureKind::overloaded);
}

TEST(AnthropicReader, an_answer_whose_framing_was_cut_is_not_whole) {
    AnthropicReader reader("application/json", base::Secret());
    chat::AnswerEvents events;
    ASSERT_TRUE(reader.feed(R"({"content":[],"stop_reason":"end_turn"})", events));
    EXPECT_FALSE(reader.end(false, events));
}

TEST(AnthropicReader, does_not_collect_more_than_16_mb) {
    AnthropicReader reader("application/json", base::Secret());
    chat::AnswerEvents events;
    const std::string megabyte(std::size_t(1) << 20, ' ');
    for (int i = 0; i < 16; ++i) ASSERT_TRUE(reader.feed(megabyte, events));
    const auto fed = reader.feed(" ", events);
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().kind, FailureKind::broken);
}

TEST(AnthropicHeaders, carry_the_key_as_the_version_wants_it) {
    const base::Secret key("k");
    const http::Headers old = anthropic_headers(key, anthropic_version_2023);
    EXPECT_EQ(old.get("x-api-key"), "k");
    EXPECT_EQ(old.get("anthropic-version"), "2023-06-01");
    EXPECT_EQ(old.find("authorization"), nullptr);
    EXPECT_EQ(old.get("content-type"), "application/json");
    const http::Headers now = anthropic_headers(key, anthropic_version_2026);
    EXPECT_EQ(now.get("authorization"), "Bearer k");
    EXPECT_EQ(now.get("anthropic-version"), "2026-10-21");
    EXPECT_EQ(now.find("x-api-key"), nullptr);
    EXPECT_EQ(anthropic_headers(base::Secret(), anthropic_version_2023).find("x-api-key"), nullptr);
}

}  // namespace
}  // namespace tertulia::providers
