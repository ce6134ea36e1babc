#include "tertulia/providers/openai_responses_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
using support::ReaderOutcome;
using Blocks = std::vector<ContentBlock>;

std::string stream(std::initializer_list<std::string_view> events) {
    return support::sse_stream(events, "event: any\n");
}

ReaderOutcome read(std::string_view body, std::string_view content_type = "text/event-stream") {
    return support::read_however_cut(openai_responses_kind, content_type, body);
}

const std::string maker(openai_responses_kind);

constexpr std::string_view created =
    R"({"type":"response.created","response":{"status":"in_progress","error":null,"usage":null}})";
constexpr std::string_view hello =
    R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hello","logprobs":[],"obfuscation":"x"})";
constexpr std::string_view completed =
    R"({"type":"response.completed","response":{"status":"completed","error":null,"output":[],"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":12,"cache_write_tokens":3},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":29}}})";

TEST(OpenAiResponsesReader, reads_text_usage_and_the_end) {
    const ReaderOutcome outcome = read(stream(
        {created, R"({"type":"response.in_progress","response":{}})",
         R"({"type":"response.output_item.added","output_index":1,"item":{"type":"message","content":[]}})",
         R"({"type":"response.content_part.added","output_index":1,"content_index":0,"part":{"type":"output_text","text":""}})",
         hello,
         R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":" \u00e9\ud83d\ude00"})",
         R"({"type":"response.output_text.annotation.added","annotation":{}})",
         R"({"type":"response.output_text.done","output_index":1,"content_index":0,"text":"Hello \u00e9\ud83d\ude00"})",
         R"({"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"Hello \u00e9\ud83d\ude00"}]}})",
         R"({"type":"response.something_new","delta":7})", completed}));
    EXPECT_EQ(outcome.blocks, Blocks{Text{"Hello \xc3\xa9\xf0\x9f\x98\x80"}});
    EXPECT_EQ(outcome.usage, (Usage{.input = 5, .cache_read = 12, .cache_write = 3, .output = 5, .reasoning = 4}));
    EXPECT_EQ(outcome.stop_reason, StopReason::end_turn);
    EXPECT_EQ(outcome.failure, std::nullopt);
}

TEST(OpenAiResponsesReader, without_its_terminal_event_it_is_a_failure) {
    for (const std::string& body :
         {std::string(), stream({created}), stream({created, hello}), stream({created, hello, "[DONE]"}),
          stream({created, hello, R"({"type":"response.output_text.done","text":"Hello"})"}),
          stream({created, hello}) + "data: " + std::string(completed),
          stream({created, hello, R"({"type":"response.completed"})"}),
          stream({created, hello, R"({"type":"response.output_item.done"})"})}) {
        const ReaderOutcome outcome = read(body);
        EXPECT_EQ(outcome.failure, FailureKind::broken) << body;
        EXPECT_EQ(outcome.stop_reason, std::nullopt) << body;
    }
}

TEST(OpenAiResponsesReader, tells_why_an_answer_is_incomplete) {
    const std::pair<const char*, StopReason> table[] = {
        {R"({"reason":"max_output_tokens"})", StopReason::max_tokens},
        {R"({"reason":"content_filter"})", StopReason::refusal},
        {R"({"reason":"something new"})", StopReason::max_tokens},
        {"null", StopReason::max_tokens},
    };
    for (const auto& [details, reason] : table) {
        const std::string response =
            std::string(R"({"status":"incomplete","output":[],"incomplete_details":)") + details + "}";
        EXPECT_EQ(read(stream({hello, R"({"type":"response.incomplete","response":)" + response + "}"})).stop_reason,
                  reason)
            << details;
        EXPECT_EQ(read(response, "application/json").stop_reason, reason) << details;
    }
}

TEST(OpenAiResponsesReader, joins_tool_calls) {
    const ReaderOutcome outcome = read(stream(
        {created,
         R"({"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":""}})",
         R"({"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_2","call_id":"c2","name":"g","arguments":""}})",
         R"({"type":"response.function_call_arguments.delta","output_index":0,"delta":"{\"a\":"})",
         R"({"type":"response.function_call_arguments.delta","output_index":0,"delta":"1}"})",
         R"({"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"})",
         R"({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"}})",
         R"({"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"fc_2","call_id":"c2","name":"g","arguments":"{\"b\":2}"}})",
         R"({"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c3","name":"h","arguments":""}})",
         completed}));
    EXPECT_EQ(outcome.blocks, (Blocks{ToolCall{"c1", "f", R"({"a":1})"}, ToolCall{"c2", "g", R"({"b":2})"},
                                      ToolCall{"c3", "h", "{}"}}));
    EXPECT_EQ(outcome.stop_reason, StopReason::tool_use);
}

TEST(OpenAiResponsesReader, reasoning_is_shown_and_kept) {
    const std::string item =
        R"({"id":"rs_1","type":"reasoning","encrypted_content":"gAAA","summary":[{"type":"summary_text","text":"One."},{"type":"summary_text","text":"Two."}]})";
    const ReaderOutcome outcome = read(stream(
        {created,
         R"({"type":"response.output_item.added","output_index":0,"item":{"id":"rs_1","type":"reasoning","encrypted_content":"gA","summary":[]}})",
         R"({"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})",
         R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"One."})",
         R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"Tw"})",
         R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"o."})",
         R"({"type":"response.output_item.done","output_index":0,"item":)" + item + "}", hello, completed}));
    EXPECT_EQ(outcome.blocks,
              (Blocks{Thinking{"One.", "", maker}, Thinking{"Two.", "", maker}, Native{item, maker}, Text{"Hello"}}));
    EXPECT_EQ(
        read(
            stream(
                {created,
                 R"({"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"raw"})",
                 R"({"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"raw"}]}})",
                 hello, completed}))
            .blocks,
        (Blocks{Thinking{"raw", "", maker}, Text{"Hello"}}))
        << "a reference to what is stored nowhere is not kept";
}

TEST(OpenAiResponsesReader, items_of_other_types_are_kept_whole) {
    const std::string item =
        R"({"id":"ws_1","type":"web_search_call","status":"completed","action":{"query":"\"q\""}})";
    const ReaderOutcome outcome = read(
        stream({created, R"({"type":"response.web_search_call.in_progress","output_index":0})",
                R"({"type":"response.output_item.done","output_index":0,"item":)" + item + "}", hello, completed}));
    EXPECT_EQ(outcome.blocks, (Blocks{Native{item, maker}, Text{"Hello"}}));
}

TEST(OpenAiResponsesReader, a_refusal_is_the_answers_text) {
    const ReaderOutcome outcome = read(stream(
        {created, R"({"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I can"})",
         R"({"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"not."})",
         R"({"type":"response.refusal.done","output_index":0,"content_index":0,"refusal":"I cannot."})",
         R"({"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"refusal","refusal":"I cannot."}]}})",
         completed}));
    EXPECT_EQ(outcome.text(), "I cannot.");
    EXPECT_EQ(outcome.stop_reason, StopReason::refusal);
}

TEST(OpenAiResponsesReader, what_came_in_no_parts_is_read_where_it_ends) {
    const std::string output =
        R"([{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Hm."}]},{"type":"message","content":[{"type":"output_text","text":"Hel"},{"type":"output_text","text":"lo"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}])";
    const std::string response = R"({"status":"completed","output":)" + output + "}";
    const Blocks expected{Thinking{"Hm.", "", maker}, Text{"Hel"}, Text{"lo"}, ToolCall{"c", "f", "{}"}};
    EXPECT_EQ(read(stream({created, R"({"type":"response.completed","response":)" + response + "}"})).blocks, expected);
    EXPECT_EQ(read(response, "application/json").blocks, expected);
    EXPECT_EQ(read(response, "application/json").stop_reason, StopReason::tool_use);
    EXPECT_EQ(read(stream({hello, R"({"type":"response.completed","response":)" + response + "}"})).text(), "Hello")
        << "what came is not read again";
}

TEST(OpenAiResponsesReader, an_error_after_the_beginning_is_a_failure) {
    const struct {
        std::string_view event;
        FailureKind kind;
    } table[] = {
        {R"({"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"x"}})",
         FailureKind::quota},
        {R"({"type":"error","code":"server_error","message":"x","param":null,"sequence_number":3})",
         FailureKind::overloaded},
        {R"({"type":"error","code":"context_length_exceeded","message":"x"})", FailureKind::context_too_long},
        {R"({"type":"error"})", FailureKind::overloaded},
        {R"({"error":{"message":"x","type":"invalid_request_error"}})", FailureKind::rejected},
        {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"}}})",
         FailureKind::overloaded},
        {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"x"}}})",
         FailureKind::overloaded},
        {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"invalid_prompt","message":"x"}}})",
         FailureKind::rejected},
        {R"({"type":"response.failed","response":{"status":"failed","error":{"code":"image_too_large","message":"x"}}})",
         FailureKind::rejected},
        {R"({"type":"response.failed","response":{"status":"failed","error":null}})", FailureKind::overloaded},
    };
    for (const auto& row : table) {
        const ReaderOutcome outcome = read(stream({created, hello, row.event, completed}));
        EXPECT_EQ(outcome.failure, row.kind) << row.event;
        EXPECT_EQ(outcome.text(), "Hello") << row.event;
    }
}

TEST(OpenAiResponsesReader, its_events_may_repeat_megabytes) {
    const std::string tools(std::size_t(5) << 20, 't');
    const std::string body =
        stream({R"({"type":"response.created","response":{"instructions":")" + tools + R"("}})", hello, completed});
    std::vector<std::size_t> cuts;  // as a socket's reads do
    for (std::size_t at = 16384; at < body.size(); at += 16384) cuts.push_back(at);
    const ReaderOutcome outcome = support::read_answer(openai_responses_kind, "text/event-stream", body, cuts);
    EXPECT_EQ(outcome.failure, std::nullopt);
    EXPECT_EQ(outcome.text(), "Hello");
}

TEST(OpenAiResponsesReader, a_failed_answer_may_tell_its_usage) {
    const ReaderOutcome outcome = read(stream(
        {hello,
         R"({"type":"response.failed","response":{"error":{"code":"server_error"},"usage":{"input_tokens":3,"output_tokens":2}}})"}));
    EXPECT_EQ(outcome.failure, FailureKind::overloaded);
    EXPECT_EQ(outcome.usage, (Usage{.input = 3, .output = 2}));
}

TEST(OpenAiResponsesReader, a_usage_of_zero_is_reported_and_one_without_counts_is_none) {
    const auto usage_of = [](std::string_view usage) {
        return read(R"({"status":"incomplete","output":[],"usage":)" + std::string(usage) + "}", "application/json")
            .usage;
    };
    EXPECT_EQ(usage_of(R"({"input_tokens":0,"output_tokens":0,"total_tokens":0})"), Usage{});
    EXPECT_EQ(usage_of("{}"), std::nullopt);
    EXPECT_EQ(usage_of("null"), std::nullopt);
}

TEST(OpenAiResponsesReader, a_malformed_event_is_a_failure_that_keeps_the_text_before_it) {
    for (const std::string_view bad : {"{\"type\":", "nonsense", "[]", R"({"type":"x","delta":"\udc00"})",
                                       R"({"type":"response.output_item.added","item":7})"}) {
        const ReaderOutcome outcome = read(stream({hello, bad, completed}));
        EXPECT_EQ(outcome.failure, FailureKind::broken) << bad;
        EXPECT_EQ(outcome.text(), "Hello") << bad;
    }
}

TEST(OpenAiResponsesReader, what_is_no_whole_answer_is_a_failure) {
    for (const std::string_view body :
         {"", "{", "[]", "<html>", "{}", R"({"output":null})", R"({"status":"in_progress","output":[]})",
          R"({"status":"queued","output":[]})", R"({"status":"cancelled","output":[]})"})
        EXPECT_EQ(read(body, "application/json").failure, FailureKind::broken) << body;
    EXPECT_EQ(read(R"({"error":{"message":"x"}})", "application/json").failure, FailureKind::overloaded);
    EXPECT_EQ(
        read(R"({"status":"failed","output":[],"error":{"code":"invalid_prompt","message":"x"}})", "application/json")
            .failure,
        FailureKind::rejected);
}

}  // namespace
}  // namespace tertulia::providers
