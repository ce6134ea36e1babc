#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tertulia/providers/openai_responses_wire.h"

namespace tertulia::providers {
namespace {

namespace json = boost::json;
using chat::Document;
using chat::Image;
using chat::Native;
using chat::Role;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::ToolChoice;
using chat::ToolResult;
using testing::HasSubstr;
using testing::Not;

const OpenAiServer openai = openai_server({.tls = true, .host = "api.openai.com"});
const OpenAiServer other = openai_server({.tls = true, .host = "bedrock-mantle.us-east-1.api.aws"});

models::ModelRequest simple_request() {
    return {.model = "gpt-5", .messages = {{Role::user, {Text{"Hi"}}}}, .stream = false};
}

std::string input(const models::ModelRequest& request, bool with_native = true) {
    return json::serialize(json::parse(build_openai_responses_body(request, openai, with_native)).at("input"));
}

std::string input(std::vector<chat::Message> messages, std::string_view model = "gpt-5") {
    return input({.model = std::string(model), .messages = std::move(messages)});
}

Native reasoning(int number) {
    return {.json = R"({"id":"rs_)" + std::to_string(number) +
                    R"(","type":"reasoning","encrypted_content":"gAAA","summary":[]})",
            .maker = std::string(openai_responses_kind)};
}

TEST(OpenAiResponsesBody, says_what_the_request_says) {
    EXPECT_EQ(
        build_openai_responses_body(simple_request(), openai, true),
        R"({"input":[{"role":"user","content":"Hi"}],"model":"gpt-5","store":false,"include":["reasoning.encrypted_content"]})");
    models::ModelRequest request = simple_request();
    request.model = "gpt-4o";
    request.system = "Be \"brief\".";
    request.messages.push_back({Role::assistant, {Thinking{"no", "", "openai-responses"}, Text{"a"}, Text{"b"}}});
    request.messages.push_back({Role::user, {Text{"And?"}}});
    request.temperature = 0.25;
    request.stop = {"END"};
    request.stream = true;
    request.max_tokens = 50;
    request.conversation = "k";
    const std::string common =
        R"({"input":[{"role":"user","content":"Hi"},{"role":"assistant","content":"ab"},{"role":"user","content":"And?"}],"model":"gpt-4o","instructions":"Be \"brief\".","store":false,"max_output_tokens":50,"temperature":0.25,"prompt_cache_key":"8254c329a92850f6d539dd376f4816ee","stream":true)";
    EXPECT_EQ(build_openai_responses_body(request, other, true), common + "}");
    EXPECT_EQ(build_openai_responses_body(request, openai, true),
              common + R"(,"stream_options":{"include_obfuscation":false}})");
    request.max_tokens = 3;
    EXPECT_THAT(build_openai_responses_body(request, openai, true), HasSubstr(R"("max_output_tokens":16,)"));
}

TEST(OpenAiResponsesBody, encrypted_reasoning_is_asked_of_those_who_reason) {
    for (const char* model :
         {"gpt-5", "gpt-5.6-luna", "openai.gpt-5.6-luna", "o3", "o4-mini", "codex-mini-latest", "x"})
        EXPECT_TRUE(openai_model_reasons(model)) << model;
    for (const char* model : {"gpt-4o", "gpt-4.1-nano", "gpt-3.5-turbo", "chatgpt-4o-latest", "gpt-5-chat-latest",
                              "gpt-5.2-chat-latest", "my-gpt-4o"})
        EXPECT_FALSE(openai_model_reasons(model)) << model;
}

TEST(OpenAiResponsesBody, offers_tools) {
    models::ModelRequest request = simple_request();
    request.tools = {
        {.name = "f", .description = "Does \"f\".", .schema = R"({"type":"object","properties":{"a":{}}})"},
        {.name = "g"}};
    const std::string tools =
        R"("tools":[{"type":"function","name":"f","description":"Does \"f\".","parameters":{"type":"object","properties":{"a":{}}},"strict":false},{"type":"function","name":"g","parameters":{"type":"object","properties":{}},"strict":false}])";
    EXPECT_THAT(build_openai_responses_body(request, openai, true), HasSubstr(tools));
    EXPECT_THAT(build_openai_responses_body(request, openai, true), Not(HasSubstr("tool_choice")));
    const std::pair<ToolChoice, std::string_view> table[] = {
        {{.kind = ToolChoice::Kind::automatic}, R"("auto")"},
        {{.kind = ToolChoice::Kind::any}, R"("required")"},
        {{.kind = ToolChoice::Kind::none}, R"("none")"},
        {{.kind = ToolChoice::Kind::named, .name = "f"}, R"({"type":"function","name":"f"})"},
    };
    for (const auto& [choice, text] : table) {
        request.tool_choice = choice;
        EXPECT_THAT(build_openai_responses_body(request, openai, true),
                    HasSubstr(tools + R"(,"tool_choice":)" + std::string(text)));
    }
    request.tools.clear();
    EXPECT_THAT(build_openai_responses_body(request, openai, true), Not(HasSubstr("tool")));
}

TEST(OpenAiResponsesBody, calls_and_their_results_are_items) {
    const Image png{.media_type = "image/png", .base64 = "AAAA"};
    EXPECT_EQ(
        input({{Role::user, {Text{"Weather?"}}},
               {Role::assistant,
                {Text{"Let me see."}, ToolCall{"c1", "f", R"({"a":"b"})"}, ToolCall{"c2", "g", "{\"cut"}}},
               {Role::user,
                {Text{"Well?"}, ToolResult{.call_id = "c1", .content = {Text{"a map"}, png}},
                 ToolResult{.call_id = "c2", .content = {Text{"no such city"}}, .is_error = true}}},
               {Role::assistant, {ToolCall{std::string(65, 'x'), "f", "{}"}}},
               {Role::user, {ToolResult{.call_id = std::string(65, 'x'), .content = {}}}}}),
        R"([{"role":"user","content":"Weather?"},{"role":"assistant","content":"Let me see."},)"
        R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":\"b\"}"},)"
        R"({"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},)"
        R"({"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"a map"},)"
        R"({"type":"input_image","detail":"auto","image_url":"data:image/png;base64,AAAA"}]},)"
        R"({"type":"function_call_output","call_id":"c2","output":"Error: no such city"},)"
        R"({"role":"user","content":"Well?"},)"
        R"({"type":"function_call","call_id":"call_9537c5fdf120482f7d58d25e9ed583f5","name":"f","arguments":"{}"},)"
        R"({"type":"function_call_output","call_id":"call_9537c5fdf120482f7d58d25e9ed583f5","output":""}])");
}

TEST(OpenAiResponsesBody, shows_images_and_documents) {
    EXPECT_EQ(input({{Role::user,
                      {Text{"What is this?"}, Image{.media_type = "image/png", .base64 = "AAAA"},
                       Image{.url = "https://x/y.jpg"},
                       Document{.media_type = "application/pdf", .base64 = "JVBERg==", .name = "a.pdf"},
                       Document{.url = "https://x/y.pdf"},
                       Document{.media_type = "text/csv", .base64 = "YSxi", .name = "t.csv"}}}}),
              R"([{"role":"user","content":[{"type":"input_text","text":"What is this?"},)"
              R"({"type":"input_image","detail":"auto","image_url":"data:image/png;base64,AAAA"},)"
              R"({"type":"input_image","detail":"auto","image_url":"https://x/y.jpg"},)"
              R"({"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="},)"
              R"({"type":"input_file","file_url":"https://x/y.pdf"},)"
              R"({"type":"input_text","text":"[Document \"t.csv\" (text/csv)]\na,b"}]}])");
}

TEST(OpenAiResponsesBody, own_items_go_back_whole_and_in_their_places) {
    const Native search{.json = R"({"id":"ws_1","type":"web_search_call","status":"completed"})",
                        .maker = std::string(openai_responses_kind)};
    const Native foreign{.json = R"({"type":"redacted_thinking","data":"x"})", .maker = "anthropic-messages"};
    const std::vector<chat::Message> messages = {
        {Role::user, {Text{"q"}}},
        {Role::assistant,
         {Thinking{"summary", "", std::string(openai_responses_kind)}, reasoning(1), search, reasoning(2), reasoning(3),
          Text{"a"}, foreign, Text{"b"}, reasoning(4), ToolCall{"c", "f", "{}"}}},
        {Role::user, {ToolResult{.call_id = "c", .content = {Text{"r"}}}}}};
    EXPECT_EQ(input(messages), R"([{"role":"user","content":"q"},)" + reasoning(1).json + "," + search.json + "," +
                                   reasoning(2).json + "," + reasoning(3).json +
                                   R"(,{"role":"assistant","content":"ab"},)" + reasoning(4).json +
                                   R"(,{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
                                   R"({"type":"function_call_output","call_id":"c","output":"r"}])");
    EXPECT_THAT(input(messages, "gpt-4o"), Not(HasSubstr("reasoning"))) << "it would be refused";
    EXPECT_EQ(input({.model = "gpt-5", .messages = messages}, false),
              R"([{"role":"user","content":"q"},{"role":"assistant","content":"ab"},)"
              R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"},)"
              R"({"type":"function_call_output","call_id":"c","output":"r"}])");
    EXPECT_TRUE(replays_native({.messages = messages}));
    EXPECT_FALSE(replays_native({.messages = {{Role::assistant, {foreign, Text{"a"}}}}}));
}

TEST(OpenAiResponsesBody, reasoning_that_nothing_follows_stays_away) {
    EXPECT_EQ(input({{Role::user, {Text{"q"}}},
                     {Role::assistant, {reasoning(1)}},
                     {Role::user, {Text{"again"}}},
                     {Role::assistant, {Text{"a"}, reasoning(2)}},
                     {Role::user, {Text{"more"}}}}),
              R"([{"role":"user","content":"q"},{"role":"user","content":"again"},)"
              R"({"role":"assistant","content":"a"},{"role":"user","content":"more"}])");
}

// A prompt cache holds what was sent before only where it is sent again in the same bytes.
TEST(OpenAiResponsesBody, each_request_of_a_session_begins_with_the_one_before) {
    const Image png{.media_type = "image/png", .base64 = "AAAA"};
    models::ModelRequest request{.model = "gpt-5", .system = "s", .tools = {{.name = "f"}}, .conversation = "k"};
    std::string before = "{";
    for (int turn = 0; turn < 20; ++turn) {
        chat::Message question{Role::user, {Text{"question " + std::to_string(turn)}}};
        if (turn > 0 && turn % 5 == 0)
            question.content.insert(question.content.begin(), ToolResult{.call_id = "c", .content = {Text{"r"}, png}});
        if (turn % 7 == 0) question.content.push_back(png);
        request.messages.push_back(std::move(question));
        const std::string body = build_openai_responses_body(request, openai, true);
        EXPECT_TRUE(body.starts_with(before)) << body << "\nbefore " << before;
        before = body.substr(0, body.rfind(R"(],"model":)"));
        chat::Message answer{Role::assistant, {reasoning(turn), Text{"answer " + std::to_string(turn)}}};
        if (turn % 5 == 4) answer.content.push_back(ToolCall{"c", "f", "{}"});
        request.messages.push_back(std::move(answer));
    }
}

}  // namespace
}  // namespace tertulia::providers
