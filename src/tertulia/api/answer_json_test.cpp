#include "tertulia/api/answer_json.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

template <class Append, class Value>
std::string text(Append append, const Value& value) {
    std::string out;
    append(out, value);
    return out;
}

sessions::TurnResult answer() {
    sessions::TurnResult result;
    result.session_id = "s";
    result.turn_id = "t_1";
    result.model = "openai/gpt-4o";
    result.message = "Hello \"you\"\n";
    result.conversation_length = 4;
    result.timestamp = "2024-11-22T10:30:00.000000Z";
    result.usage = {.input = 1, .cache_read = 2, .cache_write = 3, .output = 4, .reasoning = 5};
    result.cost_nano = 123'000;
    result.attempts = {{.model = "openai/gpt-4o", .outcome = "timed_out", .ms = 30'000},
                       {.model = "openai/gpt-4o", .outcome = "ok", .ms = 812, .tokens = 9}};
    result.price_version = "2026-11-25";
    result.stop_reason = chat::StopReason::end_turn;
    result.messages_sent = 3;
    result.messages_left_out = 2;
    result.estimated_tokens = 77;
    return result;
}

sessions::StoredMessage message(chat::Role role) {
    sessions::StoredMessage message;
    message.role = role;
    message.content = "Hi";
    message.timestamp = "2024-11-22T10:30:00.000000Z";
    message.created_at = "2024-11-22T10:29:59.000000Z";
    message.turn_id = "t_1";
    return message;
}

TEST(AnswerJson, has_the_documented_members) {
    EXPECT_EQ(
        text(append_answer, answer()),
        R"({"session_id":"s","message":"Hello \"you\"\n","conversation_length":4,)"
        R"("timestamp":"2024-11-22T10:30:00.000000Z","turn_id":"t_1","state":"completed","model":"openai/gpt-4o",)"
        R"("usage":{"input_tokens":1,"cache_read_tokens":2,"cache_write_tokens":3,"output_tokens":4,)"
        R"("reasoning_tokens":5},"cost":{"usd":"0.000123000","estimated":false,"price_version":"2026-11-25"},)"
        R"("stop_reason":"end_turn",)"
        R"("context":{"messages_sent":3,"messages_left_out":2,"estimated_tokens":77},)"
        R"("attempts":[{"model":"openai/gpt-4o","outcome":"timed_out","ms":30000,"tokens":0},)"
        R"({"model":"openai/gpt-4o","outcome":"ok","ms":812,"tokens":9}]})");
}

TEST(AnswerJson, names_what_was_ignored_only_where_something_was) {
    sessions::TurnResult result = answer();
    EXPECT_EQ(text(append_answer, result).find("ignored"), std::string::npos);
    result.ignored = {"temperature", "stop"};
    EXPECT_NE(text(append_answer, result).find(R"(},"ignored":["temperature","stop"],)"), std::string::npos);
}

TEST(AnswerJson, says_that_no_price_is_known_and_that_a_cost_is_estimated) {
    sessions::TurnResult result = answer();
    result.cost_nano.reset();
    result.price_version.clear();
    EXPECT_NE(text(append_answer, result).find(R"("cost":{"usd":null,"estimated":false,"price_version":null},)"),
              std::string::npos);
    result.cost_nano = 0;
    result.usage.output_estimated = true;
    EXPECT_NE(text(append_answer, result).find(R"("cost":{"usd":"0.000000000","estimated":true,)"), std::string::npos);
}

TEST(AnswerJson, says_that_usage_is_estimated_only_where_it_is) {
    EXPECT_EQ(
        text(append_usage, chat::Usage{}),
        R"({"input_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":0,"reasoning_tokens":0})");
    EXPECT_TRUE(text(append_usage, chat::Usage{.output_estimated = true})
                    .ends_with(R"("reasoning_tokens":0,"estimated":true})"));
}

TEST(AnswerJson, a_user_message_has_its_metadata) {
    sessions::StoredMessage stored = message(chat::Role::user);
    const std::string plain = R"({"role":"user","content":"Hi","timestamp":"2024-11-22T10:30:00.000000Z",)"
                              R"("created_at":"2024-11-22T10:29:59.000000Z","turn_id":"t_1","state":"completed")";
    EXPECT_EQ(text(append_message, stored), plain + "}");
    stored.metadata = R"({"device":"phone"})";
    EXPECT_EQ(text(append_message, stored), plain + R"(,"metadata":{"device":"phone"}})");
    stored.metadata = "{ \"device\":\n\t\"a \\\" b\" }";  // written by another program; an event's data is one line
    EXPECT_EQ(text(append_message, stored), plain + R"(,"metadata":{"device":"a \" b"}})");
    stored.metadata = R"({"device":)";
    EXPECT_EQ(text(append_message, stored), plain + R"(,"metadata":null})") << "a store that was edited by hand";
}

TEST(AnswerJson, an_assistant_message_says_how_it_was_made) {
    sessions::StoredMessage stored = message(chat::Role::assistant);
    stored.state = sessions::TurnState::failed;
    EXPECT_TRUE(
        text(append_message, stored).ends_with(R"("state":"failed","model":null,"stop_reason":null,"usage":null})"));
    stored.state = sessions::TurnState::completed;
    stored.model = "anthropic/x";
    stored.stop_reason = chat::StopReason::tool_use;
    stored.usage = chat::Usage{.input = 1};
    stored.blocks = {chat::Text{"Hi"}, chat::ToolCall{.id = "c", .name = "n", .arguments = "{}"}};
    EXPECT_TRUE(
        text(append_message, stored)
            .ends_with(
                R"("model":"anthropic/x","stop_reason":"tool_use","usage":{"input_tokens":1,)"
                R"("cache_read_tokens":0,"cache_write_tokens":0,"output_tokens":0,"reasoning_tokens":0},)"
                R"("blocks":[{"type":"text","text":"Hi"},{"type":"tool_use","id":"c","name":"n","input":{}}]})"));
}

TEST(AnswerJson, an_answer_that_calls_tools_has_content_beside_its_message) {
    sessions::TurnResult result;
    result.message = "Let me see.";
    EXPECT_EQ(text(append_answer, result).find("\"content\""), std::string::npos);
    result.content = {chat::Text{"Let me see."}, chat::ToolCall{.id = "c", .name = "n", .arguments = "{\"a\": 1}"}};
    EXPECT_NE(text(append_answer, result)
                  .find(R"("message":"Let me see.","content":[{"type":"text","text":"Let me see."},)"
                        R"({"type":"tool_use","id":"c","name":"n","input":{"a":1}}],"conversation_length":)"),
              std::string::npos);
}

TEST(AnswerJson, a_page_of_history_points_to_the_next_one_and_to_the_running_turn) {
    sessions::SessionService::History history;
    EXPECT_EQ(text(append_history, history), R"({"messages":[],"next":null,"running":null})");
    history.page.messages = {message(chat::Role::user), message(chat::Role::user)};
    history.page.more = true;
    history.running = "t_2";
    const std::string one = text(append_message, message(chat::Role::user));
    EXPECT_EQ(text(append_history, history),
              "{\"messages\":[" + one + "," + one + R"(],"next":"2024-11-22T10:30:00.000000Z","running":"t_2"})");
}

TEST(AnswerJson, a_page_of_sessions) {
    sessions::SessionPage page;
    EXPECT_EQ(text(append_sessions, page), R"({"sessions":[],"next":null})");
    sessions::SessionHeader header;
    header.session_id = "s";
    header.message_count = 2;
    header.last_activity = "2024-11-22T10:30:00.000000Z";
    header.first_words = "Hi";
    page.sessions = {header, header};
    page.next = "cursor";
    const std::string one =
        R"({"session_id":"s","message_count":2,"last_activity":"2024-11-22T10:30:00.000000Z","first_words":"Hi"})";
    EXPECT_EQ(text(append_sessions, page), "{\"sessions\":[" + one + "," + one + R"(],"next":"cursor"})");
}

}  // namespace
}  // namespace tertulia::api
