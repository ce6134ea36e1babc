#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "tertulia/providers/openai_chat_wire.h"

namespace tertulia::providers {
namespace {

namespace json = boost::json;
using chat::Document;
using chat::Image;
using chat::Role;
using chat::Text;
using chat::Thinking;
using chat::ToolCall;
using chat::ToolChoice;
using chat::ToolResult;
using testing::HasSubstr;
using testing::Not;

const OpenAiServer openai = openai_server({.tls = true, .host = "api.openai.com"});
const OpenAiServer compatible = openai_server({.tls = true, .host = "api.groq.com"});
const OpenAiServer without_files{.has_files = false};

models::ModelRequest simple_request() {
    return {.model = "gpt-x", .messages = {{Role::user, {Text{"Hi"}}}}, .stream = false};
}

// Of a body: its member `messages`, from the one of the number `from` on.
std::string messages(const models::ModelRequest& request, const OpenAiServer& server, std::size_t from = 0) {
    json::array all = json::parse(build_openai_chat_body(request, server)).at("messages").as_array();
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(from));
    return json::serialize(all);
}

std::string user_message(std::vector<chat::ContentBlock> content, const OpenAiServer& server) {
    return messages({.model = "m", .messages = {{Role::user, std::move(content)}}}, server);
}

TEST(OpenAiChatBody, says_what_the_request_says) {
    EXPECT_EQ(build_openai_chat_body(simple_request(), openai),
              R"({"messages":[{"role":"user","content":"Hi"}],"model":"gpt-x"})");
    models::ModelRequest request = simple_request();
    request.system = "Be \"brief\".";
    request.messages.push_back(
        {Role::assistant,
         {Thinking{"no", "", "openai-chat"}, Text{"a"}, chat::Native{"{}", "openai-chat"}, Text{"b"}}});
    request.messages.push_back({Role::user, {Text{"And?"}}});
    request.temperature = 0.25;
    request.stop = {"END"};
    request.stream = true;
    request.max_tokens = 50;
    EXPECT_EQ(
        build_openai_chat_body(request, compatible),
        R"({"messages":[{"role":"system","content":"Be \"brief\"."},{"role":"user","content":"Hi"},{"role":"assistant","content":"ab"},{"role":"user","content":"And?"}],"model":"gpt-x","max_tokens":50,"temperature":0.25,"stop":["END"],"stream":true,"stream_options":{"include_usage":true}})");
    const std::string own = build_openai_chat_body(request, openai);
    EXPECT_THAT(own, HasSubstr(R"("max_completion_tokens":50)"));
    EXPECT_THAT(own, Not(HasSubstr(R"("max_tokens")")));
    EXPECT_THAT(own, HasSubstr(R"("stream_options":{"include_usage":true,"include_obfuscation":false})"));
}

TEST(OpenAiChatBody, a_message_without_anything_to_say_is_left_out) {
    const models::ModelRequest request{.model = "m",
                                       .messages = {{Role::user, {Text{""}}},
                                                    {Role::assistant, {Thinking{"t", "s", "anthropic-messages"}}},
                                                    {Role::user, {Text{"x"}}}}};
    EXPECT_EQ(messages(request, openai), R"([{"role":"user","content":"x"}])");
}

TEST(OpenAiChatBody, offers_tools) {
    models::ModelRequest request = simple_request();
    request.tools = {
        {.name = "f", .description = "Does \"f\".", .schema = R"({"type":"object","properties":{"a":{}}})"},
        {.name = "g"}};
    const std::string tools =
        R"("tools":[{"type":"function","function":{"name":"f","description":"Does \"f\".","parameters":{"type":"object","properties":{"a":{}}}}},{"type":"function","function":{"name":"g"}}])";
    EXPECT_THAT(build_openai_chat_body(request, openai), HasSubstr(tools));
    EXPECT_THAT(build_openai_chat_body(request, compatible), HasSubstr(tools));
    EXPECT_THAT(build_openai_chat_body(request, openai), Not(HasSubstr("tool_choice")));
    const std::pair<ToolChoice, std::string_view> table[] = {
        {{.kind = ToolChoice::Kind::automatic}, R"("auto")"},
        {{.kind = ToolChoice::Kind::any}, R"("required")"},
        {{.kind = ToolChoice::Kind::none}, R"("none")"},
        {{.kind = ToolChoice::Kind::named, .name = "f"}, R"({"type":"function","function":{"name":"f"}})"},
    };
    for (const auto& [choice, text] : table) {
        request.tool_choice = choice;
        EXPECT_THAT(build_openai_chat_body(request, openai),
                    HasSubstr(tools + R"(,"tool_choice":)" + std::string(text)));
    }
    request.tools.clear();
    EXPECT_THAT(build_openai_chat_body(request, openai), Not(HasSubstr("tool"))) << "a choice without tools is refused";
}

TEST(OpenAiChatBody, a_schema_names_properties) {
    const std::pair<const char*, const char*> table[] = {
        {R"({"type":"object"})", R"({"type":"object","properties":{}})"},
        {"{ \"type\" : \"object\" }\n", "{ \"type\" : \"object\",\"properties\":{} }\n"},
        {"{}", R"({"type":"object","properties":{}})"},
        {R"({"properties":{"a":{}}})", R"({"properties":{"a":{}}})"},
        {R"({"type":"object","anyOf":[{"properties":{"a":{}}}]})",
         R"({"type":"object","anyOf":[{"properties":{"a":{}}}],"properties":{}})"},
        {R"({"type":"object","description":"\"properties\""})",
         R"({"type":"object","description":"\"properties\"","properties":{}})"},
    };
    models::ModelRequest request = simple_request();
    for (const auto& [given, sent] : table) {
        request.tools = {{.name = "f", .description = {}, .schema = given}};
        EXPECT_THAT(build_openai_chat_body(request, openai), HasSubstr(std::string(R"("parameters":)") + sent + "}}]"));
    }
}

TEST(OpenAiChatBody, calls_and_their_results_are_messages_of_their_own) {
    const models::ModelRequest request{
        .model = "m",
        .messages = {
            {Role::user, {Text{"Weather?"}}},
            {Role::assistant, {ToolCall{"c1", "f", R"({"a":"b"})"}, ToolCall{"c2", "g", "{}"}}},
            {Role::user,
             {ToolResult{.call_id = "c1", .content = {Text{"sunny"}}},
              ToolResult{.call_id = "c2", .content = {Text{"no such city"}}, .is_error = true}, Text{"Well?"}}},
            {Role::assistant, {Text{"Let me see."}, ToolCall{"c3", "f", "{}"}}},
            {Role::user, {ToolResult{.call_id = "c3", .content = {}}}}}};
    const std::string expected = R"([{"role":"assistant","content":null,"tool_calls":[)"
                                 R"({"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":\"b\"}"}},)"
                                 R"({"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},)"
                                 R"({"role":"tool","content":"sunny","tool_call_id":"c1"},)"
                                 R"({"role":"tool","content":"Error: no such city","tool_call_id":"c2"},)"
                                 R"({"role":"user","content":"Well?"},)"
                                 R"({"role":"assistant","content":"Let me see.","tool_calls":[)"
                                 R"({"id":"c3","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
                                 R"({"role":"tool","content":"","tool_call_id":"c3"}])";
    EXPECT_EQ(messages(request, openai, 1), expected);
    EXPECT_EQ(messages(request, compatible, 1), expected);
}

TEST(OpenAiChatBody, other_providers_long_call_ids_are_shortened_in_both_places) {
    const std::string id(70, 'x');
    const models::ModelRequest request{.model = "m",
                                       .messages = {{Role::assistant, {ToolCall{id, "f", "{}"}}},
                                                    {Role::user, {ToolResult{.call_id = id, .content = {Text{"r"}}}}}}};
    const json::array sent = json::parse(build_openai_chat_body(request, openai)).at("messages").as_array();
    const json::string call = sent.at(0).at("tool_calls").at(0).at("id").as_string();
    EXPECT_LE(call.size(), 40U);
    EXPECT_EQ(call, sent.at(1).at("tool_call_id").as_string());
}

TEST(OpenAiChatBody, shows_images) {
    const Image png{.media_type = "image/png", .base64 = "AAAA"}, linked{.url = "https://x/y.jpg"};
    const std::string expected = R"([{"role":"user","content":[{"type":"text","text":"What is this?"},)"
                                 R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
                                 R"({"type":"image_url","image_url":{"url":"https://x/y.jpg"}}]}])";
    EXPECT_EQ(user_message({Text{"What is "}, Text{"this?"}, png, linked}, openai), expected);
    EXPECT_EQ(user_message({Text{"What is "}, Text{"this?"}, png, linked}, compatible), expected);
}

TEST(OpenAiChatBody, images_in_a_result_go_behind_all_results) {
    const Image png{.media_type = "image/png", .base64 = "AAAA"};
    const models::ModelRequest request{.model = "m",
                                       .messages = {{Role::user,
                                                     {ToolResult{.call_id = "c1", .content = {Text{"a map"}, png}},
                                                      ToolResult{.call_id = "c2", .content = {png}}, Text{"Well?"}}}}};
    EXPECT_EQ(messages(request, openai),
              R"([{"role":"tool","content":"a map","tool_call_id":"c1"},)"
              R"({"role":"tool","content":"See the next message.","tool_call_id":"c2"},)"
              R"({"role":"user","content":[{"type":"text","text":"[From the result of the tool call c1:]"},)"
              R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
              R"({"type":"text","text":"[From the result of the tool call c2:]"},)"
              R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},)"
              R"({"type":"text","text":"Well?"}]}])");
}

TEST(OpenAiChatBody, documents_are_files_text_or_a_line_that_says_what_is_missing) {
    const Document pdf{.media_type = "application/pdf", .base64 = "JVBERg==", .name = "a.pdf"},
        text{.media_type = "text/plain", .base64 = "SGVsbG8=", .name = "n.txt"}, linked{.url = "https://x/y.pdf"},
        nameless{.media_type = "application/pdf", .base64 = "JVBERg=="};
    const Text ask{"Sum up."};
    EXPECT_EQ(user_message({ask, pdf}, openai),
              R"([{"role":"user","content":[{"type":"text","text":"Sum up."},)"
              R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}}]}])");
    EXPECT_THAT(user_message({nameless}, openai), HasSubstr(R"("filename":"document.pdf")"));
    for (const OpenAiServer& server : {openai, compatible, without_files}) {
        EXPECT_EQ(user_message({ask, text, Text{"Thanks."}}, server),
                  R"([{"role":"user","content":"Sum up.\n\n[Document \"n.txt\" (text/plain)]\nHello\n\nThanks."}])");
        EXPECT_EQ(
            user_message({linked, ask}, server),
            R"([{"role":"user","content":"[A document was here, which this model is not shown: https://x/y.pdf]\n\nSum up."}])");
    }
    EXPECT_EQ(
        user_message({pdf}, without_files),
        R"([{"role":"user","content":"[A document \"a.pdf\" (application/pdf) was here, which this model is not shown.]"}])");
    const Document latin{.media_type = "text/plain", .base64 = "6Q=="};
    EXPECT_THAT(user_message({latin}, openai), HasSubstr("\xef\xbf\xbd")) << "not UTF-8";
}

TEST(OpenAiChatBody, a_cache_key_goes_to_those_who_know_it) {
    models::ModelRequest request = simple_request();
    EXPECT_THAT(build_openai_chat_body(request, openai), Not(HasSubstr("prompt_cache_key")));
    request.conversation = "k";
    EXPECT_THAT(build_openai_chat_body(request, openai),
                HasSubstr(R"(,"prompt_cache_key":"8254c329a92850f6d539dd376f4816ee")"));
    EXPECT_THAT(build_openai_chat_body(request, compatible), Not(HasSubstr("prompt_cache_key")));
}

// A prompt cache holds what was sent before only where it is sent again in the same bytes.
TEST(OpenAiChatBody, each_request_of_a_session_begins_with_the_one_before) {
    const Image png{.media_type = "image/png", .base64 = "AAAA"};
    for (const OpenAiServer& server : {openai, compatible}) {
        models::ModelRequest request{.model = "m", .system = "s", .tools = {{.name = "f"}}, .conversation = "k"};
        std::string before = "{";
        for (int turn = 0; turn < 20; ++turn) {
            chat::Message question{Role::user, {Text{"question " + std::to_string(turn)}}};
            if (turn > 0 && turn % 5 == 0)
                question.content.insert(question.content.begin(),
                                        ToolResult{.call_id = "c", .content = {Text{"r"}, png}});
            if (turn % 7 == 0) question.content.push_back(png);
            request.messages.push_back(std::move(question));
            request.stable_messages = request.messages.size() - 1;
            const std::string body = build_openai_chat_body(request, server);
            EXPECT_TRUE(body.starts_with(before)) << body << "\nbefore " << before;
            before = body.substr(0, body.rfind(R"(],"model":)"));
            chat::Message answer{Role::assistant, {Text{"answer " + std::to_string(turn)}}};
            if (turn % 5 == 4) answer.content.push_back(ToolCall{"c", "f", "{}"});
            request.messages.push_back(std::move(answer));
        }
    }
}

}  // namespace
}  // namespace tertulia::providers
