#include "tertulia/providers/openai_chat_wire.h"

#include <gtest/gtest.h>

#include "support/reader_outcome.h"

namespace tertulia::providers {
namespace {

using base::Errc;
using chat::ContentBlock;
using chat::StopReason;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::Usage;
using models::FailureKind;
using support::ReaderOutcome;
using Blocks = std::vector<ContentBlock>;

std::string stream(std::initializer_list<std::string_view> events) {
    return support::sse_stream(events);
}

ReaderOutcome read(std::string_view body, std::string_view content_type = "text/event-stream") {
    return support::read_however_cut(openai_chat_kind, content_type, body);
}

constexpr std::string_view role =
    R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":null},"finish_reason":null}],"usage":null})";
constexpr std::string_view hello =
    R"({"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}],"obfuscation":"xx"})";
constexpr std::string_view finished = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
constexpr std::string_view usage =
    R"({"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":12,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":4}}})";

TEST(OpenAiChatReader, reads_text_usage_and_stop_reason) {
    const ReaderOutcome outcome = read(stream(
        {R"({"choices":[],"prompt_filter_results":[]})", role, hello,
         R"({"choices":[{"index":0,"delta":{"content":" \u00e9\ud83d\ude00 ü"}}]})", finished, usage, "[DONE]"}));
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello \xc3\xa9\xf0\x9f\x98\x80 \xc3\xbc"}});
    EXPECT_EQ(outcome.usage, (Usage{.input = 5, .cache_read = 12, .cache_write = 3, .output = 5, .reasoning = 4}));
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.failure, std::nullopt);
}

TEST(OpenAiChatReader, a_finish_reason_suffices_where_done_is_missing) {
    for (const std::string& body : {stream({role, hello, finished}), stream({role, hello, finished, usage}),
                                    stream({role, hello, finished}) + "data: [DO"}) {
        const ReaderOutcome outcome = read(body);
        EXPECT_EQ(outcome.stop_reason, StopReason::end_turn) << body;
        EXPECT_EQ(outcome.text(), "Hello") << body;
    }
}

TEST(OpenAiChatReader, a_stream_without_either_is_a_failure) {
    for (const std::string& body :
         {std::string(), stream({role}), stream({role, hello}), stream({role, hello, "[DONE]"}),
          stream({role, hello, usage}), stream({role, hello}) + "data: " + std::string(finished)}) {
        const ReaderOutcome outcome = read(body);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << body;
        EXPECT_EQ(outcome.code, Errc::upstream_unavailable) << body;
        EXPECT_EQ(outcome.stop_reason, std::nullopt) << body;
    }
}

TEST(OpenAiChatReader, takes_the_first_of_several_choices) {
    const ReaderOutcome outcome =
        read(stream({R"({"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":"length"}]})", hello,
                     R"({"choices":[{"index":1,"delta":{"content":"x"}},{"index":0,"delta":{"content":"!"}}]})",
                     finished, "[DONE]"}));
    EXPECT_EQ(outcome.text(), "Hello!");
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
}

TEST(OpenAiChatReader, joins_tool_calls_by_their_index) {
    const ReaderOutcome outcome = read(stream(
        {role,
         R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]}}]})",
         R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]}}]})",
         R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]})",
         R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"arguments":"1}"}}]}}]})",
         R"({"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c3","function":{"name":"h","arguments":"[]"}}]}}]})",
         R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})", "[DONE]"}));
    EXPECT_EQ(outcome.blocks,
              (Blocks{ToolCall{"c1", "f", R"({"a":1})"}, ToolCall{"c2", "g", "{}"}, ToolCall{"c3", "h", "[]"}}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use) << "some servers say stop";
}

TEST(OpenAiChatReader, a_refusal_is_the_answers_text) {
    const ReaderOutcome outcome =
        read(stream({role, R"({"choices":[{"index":0,"delta":{"refusal":"I can"}}]})",
                     R"({"choices":[{"index":0,"delta":{"refusal":"not."}}]})", finished, "[DONE]"}));
    EXPECT_EQ(outcome.text(), "I cannot.");
    EXPECT_TRUE(outcome.refused);
    EXPECT_EQ(outcome.stop_reason, StopReason::refusal);
}

TEST(OpenAiChatReader, reasoning_of_compatible_servers_is_thinking) {
    const ReaderOutcome outcome = read(
        stream({R"({"choices":[{"index":0,"delta":{"reasoning_content":"h","reasoning":"h"}}]})",
                R"({"choices":[{"index":0,"delta":{"reasoning":"m"}}]})", hello, finished,
                R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"prompt_cache_hit_tokens":4}})"}));
    EXPECT_EQ(outcome.blocks, (Blocks{Thinking{"hm", "", std::string(openai_chat_kind)}, Text{"Hello"}}));
    EXPECT_EQ(outcome.usage, (Usage{.input = 5, .cache_read = 4, .output = 2}));
}

// xAI's completion_tokens are without it; the total tells.
TEST(OpenAiChatReader, reasoning_that_is_counted_beside_the_completion_is_not_taken_off_it) {
    const auto usage_of = [](std::string_view total) {
        return read(stream({hello, finished,
                            R"({"choices":[],"usage":{"prompt_tokens":32,"completion_tokens":9,)" + std::string(total) +
                                R"("completion_tokens_details":{"reasoning_tokens":94}}})"}))
            .usage;
    };
    EXPECT_EQ(usage_of(R"("total_tokens":135,)"), (Usage{.input = 32, .output = 9, .reasoning = 94}));
    EXPECT_EQ(usage_of(R"("total_tokens":41,)"), (Usage{.input = 32, .output = 0, .reasoning = 94}));
    EXPECT_EQ(usage_of(""), (Usage{.input = 32, .output = 0, .reasoning = 94}));
}

TEST(OpenAiChatReader, knows_every_finish_reason) {
    const std::pair<const char*, StopReason> table[] = {
        {"stop", StopReason::end_turn},          {"length", StopReason::max_tokens},
        {"tool_calls", StopReason::tool_use},    {"function_call", StopReason::tool_use},
        {"content_filter", StopReason::refusal}, {"eos", StopReason::end_turn},
        {"max_tokens", StopReason::max_tokens},  {"model_length", StopReason::context_exceeded},
    };
    for (const auto& [word, reason] : table) {
        const std::string choice = std::string(R"({"choices":[{"index":0,"finish_reason":")") + word + R"("}]})";
        EXPECT_EQ(read(stream({choice, "[DONE]"})).stop_reason, reason) << word;
        EXPECT_EQ(read(choice, "application/json").stop_reason, reason) << word;
    }
}

TEST(OpenAiChatReader, an_answer_that_the_server_says_it_broke_off_is_a_failure) {
    for (const std::string_view word : {"error", "insufficient_system_resource", "abort"}) {
        const std::string choice =
            R"({"choices":[{"index":0,"message":{"content":"part"},"finish_reason":")" + std::string(word) + R"("}]})";
        const ReaderOutcome streamed = read(stream({role, hello, choice, "[DONE]"}));
        EXPECT_EQ(streamed.failure, FailureKind::broken) << word;
        EXPECT_EQ(streamed.text(), "Hello") << word;
        EXPECT_EQ(read(choice, "application/json").failure, FailureKind::broken) << word;
    }
}

TEST(OpenAiChatReader, an_error_inside_the_stream_is_a_failure) {
    const struct {
        std::string_view event;
        FailureKind kind;
        Errc code;
    } table[] = {
        {R"({"error":{"message":"The server had an error","type":"server_error","code":null}})",
         FailureKind::overloaded, Errc::upstream_unavailable},
        {R"({"error":"out of memory","choices":[]})", FailureKind::overloaded, Errc::upstream_unavailable},
        {R"({"error":{"code":500,"message":"x"}})", FailureKind::overloaded, Errc::upstream_unavailable},
        {R"({"error":{"code":400,"message":"x"}})", FailureKind::rejected, Errc::upstream_rejected},
        {R"({"error":true})", FailureKind::overloaded, Errc::upstream_unavailable},
    };
    for (const auto& row : table) {
        const ReaderOutcome outcome = read(stream({role, hello, row.event, finished, "[DONE]"}));
        EXPECT_EQ(outcome.failure, row.kind) << row.event;
        EXPECT_EQ(outcome.code, row.code) << row.event;
        EXPECT_EQ(outcome.text(), "Hello") << row.event;
    }
    for (const std::string_view nothing : {R"({"error":null,"choices":[]})", R"({"error":{}})", R"({"error":""})",
                                           R"({"error":false})", R"({"error":0})"})
        EXPECT_EQ(read(stream({hello, nothing, finished, "[DONE]"})).stop_reason, StopReason::end_turn) << nothing;
}

TEST(OpenAiChatReader, a_malformed_chunk_is_a_failure_that_keeps_the_text_before_it) {
    for (const std::string_view bad :
         {"{\"choices\":[", "nonsense", "[]", R"({"choices":[7]})",
          R"({"choices":[{"index":0,"delta":{"content":"\udc00"}}]})", R"({"choices":[],"unvisited":01})"}) {
        const ReaderOutcome outcome = read(stream({hello, bad, finished, "[DONE]"}));
        EXPECT_EQ(outcome.failure, FailureKind::broken) << bad;
        EXPECT_EQ(outcome.text(), "Hello") << bad;
    }
}

TEST(OpenAiChatReader, reads_a_whole_answer) {
    const ReaderOutcome outcome =
        read(R"({"choices":[{"index":1,"message":{"content":"other"},"finish_reason":"length"},)"
             R"({"index":0,"message":{"role":"assistant","content":"Hi","refusal":null,"tool_calls":[)"
             R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},)"
             R"({"id":"c2","type":"function","function":{"name":"g","arguments":{"b":2}}}]},"finish_reason":"stop"}],)"
             R"("usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null},"error":null})"
             "\n",
             "application/json; charset=utf-8");
    EXPECT_EQ(outcome.blocks,
              (Blocks{Text{"Hi"}, ToolCall{"c1", "f", "{\"a\": 1}"}, ToolCall{"c2", "g", "{\"b\":2}"}}));
    EXPECT_EQ(outcome.usage, (Usage{.input = 3, .output = 2}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
    EXPECT_EQ(
        read(
            R"({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"x"},{"type":"text","text":"b"}]},"finish_reason":"stop"}]})",
            "application/json")
            .text(),
        "ab");
    EXPECT_EQ(
        read(
            R"({"choices":[{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call"}]})",
            "application/json")
            .blocks,
        (Blocks{ToolCall{"", "f", "{}"}}));
    const ReaderOutcome empty_call = read(
        R"({"choices":[{"message":{"content":"4","function_call":{"name":"","arguments":""}},"finish_reason":"stop"}]})",
        "application/json");
    EXPECT_EQ(empty_call.blocks, (Blocks{Text{"4"}}));
    EXPECT_EQ(empty_call.stop_reason, StopReason::end_turn);
}

TEST(OpenAiChatReader, what_is_no_whole_answer_is_a_failure) {
    for (const std::string_view body : {"", "{", "[]", "<html>", "{}", R"({"choices":[]})", R"({"choices":null})",
                                        R"({"choices":[{"index":0,"message":{"content":"x"},"finish_reason":null}]})"})
        EXPECT_EQ(read(body, "application/json").failure, FailureKind::broken) << body;
    EXPECT_EQ(read(R"({"error":{"message":"x"}})", "application/json").failure, FailureKind::overloaded);
}

TEST(OpenAiChatReader, the_content_type_decides_how_it_is_read) {
    const std::string body = stream({hello, finished, "[DONE]"});
    EXPECT_EQ(read(body, "Text/Event-Stream;charset=utf-8").text(), "Hello");
    EXPECT_EQ(read(body, "application/json").failure, FailureKind::broken);
}

}  // namespace
}  // namespace tertulia::providers
