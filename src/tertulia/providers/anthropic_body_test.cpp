// The requests that we send to Anthropic's Messages API.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "support/anthropic_request.h"
#include "support/recordings.h"
#include "tertulia/providers/anthropic_wire.h"

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

const std::string own(anthropic_kind);
constexpr std::string_view mark = R"(,"cache_control":{"type":"ephemeral"})";

models::ModelRequest simple_request() {
    return {.model = "claude-x", .messages = {{Role::user, {Text{"Hi"}}}}, .max_tokens = 100, .stream = false};
}

std::string body_of(const models::ModelRequest& request, std::string_view version = anthropic_version_2023) {
    return build_anthropic_body(request, version);
}

json::value parsed(const models::ModelRequest& request) {
    return json::parse(body_of(request));
}

std::size_t count_marks(std::string_view body) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = body.find(mark, at)) != std::string_view::npos; at += mark.size()) ++count;
    return count;
}

std::string without_marks(std::string body) {
    for (std::size_t at = 0; (at = body.find(mark, at)) != std::string::npos;) body.erase(at, mark.size());
    return body;
}

TEST(AnthropicBody, says_what_the_request_says) {
    EXPECT_EQ(
        body_of(simple_request()),
        R"({"model":"claude-x","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"max_tokens":100})");
    models::ModelRequest request = simple_request();
    request.system = "Be \"brief\".";
    request.temperature = 0.5;
    request.stop = {"END", "\n"};
    request.stream = true;
    request.max_tokens = 0;
    EXPECT_EQ(
        body_of(request),
        R"({"model":"claude-x","system":[{"type":"text","text":"Be \"brief\".","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"max_tokens":4096,"temperature":0.5,"stop_sequences":["END","\n"],"stream":true})");
    EXPECT_THAT(body_of(request, anthropic_version_2026), Not(HasSubstr("temperature")));
}

TEST(AnthropicBody, sends_its_own_blocks_back_and_nobody_elses) {
    models::ModelRequest request = simple_request();
    request.messages.push_back({Role::assistant,
                                {Thinking{"a", "sig", own}, Thinking{"b", "", own}, Thinking{"c", "sig", "openai-chat"},
                                 Thinking{"d", "sig", "bedrock-invoke"}, Text{""}, Text{" \n"},
                                 Native{R"({"type":"redacted_thinking", "data":"d"})", own},
                                 Native{R"({"type":"x"})", "openai-chat"}, Text{"said"}}});
    request.messages.push_back({Role::user, {Text{"And?"}}});
    EXPECT_THAT(
        body_of(request),
        HasSubstr(
            R"({"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"sig"},{"type":"redacted_thinking", "data":"d"},{"type":"text","text":"said"}]})"));
}

TEST(AnthropicBody, carries_tools_and_their_choice) {
    models::ModelRequest request = simple_request();
    request.tools = {{.name = "f", .description = "Does f.", .schema = R"({"type":"object","properties":{}})"},
                     {.name = "g", .description = {}, .schema = {}}};
    EXPECT_THAT(
        body_of(request),
        HasSubstr(
            R"("tools":[{"name":"f","description":"Does f.","input_schema":{"type":"object","properties":{}}},{"name":"g","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],"messages":)"));
    EXPECT_THAT(body_of(request), Not(HasSubstr("tool_choice")));
    const std::pair<ToolChoice, const char*> table[] = {
        {{.kind = ToolChoice::Kind::automatic, .name = {}}, R"("tool_choice":{"type":"auto"})"},
        {{.kind = ToolChoice::Kind::any, .name = {}}, R"("tool_choice":{"type":"any"})"},
        {{.kind = ToolChoice::Kind::none, .name = {}}, R"("tool_choice":{"type":"none"})"},
        {{.kind = ToolChoice::Kind::named, .name = "g"}, R"("tool_choice":{"type":"tool","name":"g"})"},
    };
    for (const auto& [choice, text] : table) {
        request.tool_choice = choice;
        EXPECT_THAT(body_of(request), HasSubstr(text));
    }
    request.tools.clear();  // a choice among nothing is refused
    EXPECT_THAT(body_of(request), Not(HasSubstr("tool")));
}

TEST(AnthropicBody, carries_tool_calls_and_results_results_first) {
    models::ModelRequest request = simple_request();
    request.tools = {{.name = "f", .description = {}, .schema = R"({"type":"object"})"}};
    request.messages.push_back(
        {Role::assistant,
         {Text{"Let me see."}, ToolCall{"t1", "f", R"({"a": [1]})"}, ToolCall{"t2", "f", R"({"a":)"}}});
    request.messages.push_back(
        {Role::user,
         {Text{"There:"},
          ToolResult{"t1", {Text{"one"}, Text{" "}, Image{"image/png", "AAAA", ""}, Document{"", "", "https://d", ""}}},
          ToolResult{"t2", {}, true}}});
    const json::value body = parsed(request);
    EXPECT_EQ(body.at("messages").at(1).at("content"), json::parse(R"([
        {"type":"text","text":"Let me see."},
        {"type":"tool_use","id":"t1","name":"f","input":{"a":[1]}},
        {"type":"tool_use","id":"t2","name":"f","input":{}}])"));
    EXPECT_EQ(body.at("messages").at(2).at("content"), json::parse(R"([
        {"type":"tool_result","tool_use_id":"t1","content":[
            {"type":"text","text":"one"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
            {"type":"document","source":{"type":"url","url":"https://d"}}]},
        {"type":"tool_result","tool_use_id":"t2","is_error":true},
        {"type":"text","text":"There:"}])"));
    EXPECT_THAT(body_of(request), HasSubstr(R"("input":{"a": [1]})")) << "the arguments as they were";
}

TEST(AnthropicBody, defines_the_tools_of_a_history_when_the_request_has_none) {
    models::ModelRequest request = simple_request();
    request.messages.push_back({Role::assistant, {ToolCall{"t1", "f", "{}"}, ToolCall{"t2", "g", "{}"}}});
    request.messages.push_back({Role::user, {ToolResult{"t1", {Text{"1"}}}, ToolResult{"t2", {Text{"2"}}}}});
    request.messages.push_back({Role::assistant, {ToolCall{"t3", "f", "{}"}}});
    request.messages.push_back({Role::user, {ToolResult{"t3", {Text{"3"}}}}});
    const json::value body = parsed(request);
    ASSERT_EQ(body.at("tools").as_array().size(), 2u);
    EXPECT_EQ(body.at("tools").at(0).at("name"), "f");
    EXPECT_EQ(body.at("tools").at(1).at("name"), "g");
    EXPECT_EQ(body.at("tool_choice").at("type"), "none");
}

TEST(AnthropicBody, replaces_call_ids_that_the_api_does_not_take) {
    models::ModelRequest request = simple_request();
    for (const std::string& id : {std::string("functions.f:0"), std::string(), std::string(65, 'x')}) {
        request.messages = {{Role::user, {Text{"Hi"}}},
                            {Role::assistant, {ToolCall{id, "f", "{}"}}},
                            {Role::user, {ToolResult{id, {Text{"1"}}}}}};
        const json::value body = parsed(request);
        const json::string& sent = body.at("messages").at(1).at("content").at(0).at("id").as_string();
        EXPECT_THAT(std::string(sent), testing::MatchesRegex("call_[0-9a-f]+"));
        EXPECT_EQ(body.at("messages").at(2).at("content").at(0).at("tool_use_id"), sent);
    }
}

TEST(AnthropicBody, carries_pictures_and_documents) {
    models::ModelRequest request = simple_request();
    request.messages[0].content = {
        Image{"image/png", "AAAA", ""},
        Image{"", "", "https://example.com/a.png"},
        Document{"application/pdf", "JVBE", "", "Plan"},
        Document{"", "", "https://example.com/a.pdf", ""},
        Document{"text/plain", "aMOpCg==", "", "n.txt"},  // "hé\n"
        Document{"text/csv", "/2E=", "", ""},             // not UTF-8
        Document{"text/plain", "IA==", "", "blank"},
        Document{"application/msword", "AAAA", "", "old.doc"},
    };
    EXPECT_EQ(parsed(request).at("messages").at(0).at("content"), json::parse(R"([
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},
        {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},
        {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"},"title":"Plan"},
        {"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}},
        {"type":"document","source":{"type":"text","media_type":"text/plain","data":"h\u00e9\n"},"title":"n.txt"},
        {"type":"document","source":{"type":"text","media_type":"text/plain","data":"\ufffda"}},
        {"type":"text","text":"[A document \"blank\" (text/plain) was here, which this model is not shown.]"},
        {"type":"text","text":"[A document \"old.doc\" (application/msword) was here, which this model is not shown.]"}
    ])"));
}

// A turn with everything: text, a picture, tool calls and their results, thinking.
void add_turn(models::ModelRequest& request, int turn) {
    const std::string id = "call-" + std::to_string(turn);
    request.messages.push_back({Role::user, {Text{"Question " + id}, Image{"image/png", "AAAA", ""}}});
    request.messages.push_back({Role::assistant, {Thinking{"hm", "sig", own}, ToolCall{id, "f", R"({"n":1})"}}});
    request.messages.push_back({Role::user, {ToolResult{id, {Text{"Result"}}}}});
    request.messages.push_back({Role::assistant, {Text{"Answer " + id}, Thinking{"so", "sig", own}}});
}

TEST(AnthropicBody, of_a_session_begins_with_all_that_was_cached_before) {
    models::ModelRequest request{.model = "claude-x", .system = "Be brief.", .messages = {}};
    request.tools = {{.name = "f", .description = "Does f.", .schema = R"({"type":"object"})"}};
    std::string cached;
    std::vector<std::size_t> last_places;
    for (int turn = 0; turn < 20; ++turn) {
        add_turn(request, turn);
        models::ModelRequest asked = request;
        asked.messages.push_back({Role::user, {Text{"And now, " + std::to_string(turn) + "?"}}});
        asked.stable_messages = request.messages.size();
        asked.max_tokens = 100 + turn;  // what changes from turn to turn
        asked.temperature = 0.1 * turn;
        asked.stop = {std::to_string(turn)};
        const std::string body = body_of(asked);
        ASSERT_LE(count_marks(body), 4u);
        ASSERT_GE(count_marks(body), 3u);
        const std::string plain = without_marks(body);
        ASSERT_EQ(plain.compare(0, cached.size(), cached), 0) << "turn " << turn << "\n" << plain;
        // Where the marks stand, as offsets in the body without them.
        std::vector<std::size_t> places;
        for (std::size_t at = 0; (at = body.find(mark, at)) != std::string::npos; at += mark.size())
            places.push_back(at - places.size() * mark.size());
        cached = plain.substr(0, places.back());
        EXPECT_THAT(cached, HasSubstr("Answer call-" + std::to_string(turn)));
        EXPECT_THAT(cached, Not(HasSubstr("And now")));
        if (!last_places.empty()) EXPECT_THAT(places, testing::IsSupersetOf({last_places[0], last_places[1]}));
        last_places = places;
    }
}

TEST(AnthropicBody, marks_the_last_requests_end_too_however_many_blocks_a_turn_has) {
    models::ModelRequest request = simple_request();
    request.messages.push_back({Role::assistant, {Text{"a"}}});
    request.messages.push_back({Role::user, std::vector<chat::ContentBlock>(30, Text{"q"})});
    request.stable_messages = 3;
    const std::string body = body_of(request);
    EXPECT_EQ(count_marks(body), 2u);
    EXPECT_THAT(body, HasSubstr(R"("text":"Hi")" + std::string(mark)));
    EXPECT_THAT(body, HasSubstr(R"("text":"q")" + std::string(mark) + "}]}]"));
}

TEST(AnthropicBody, without_a_stable_history_has_marks_before_it_only) {
    models::ModelRequest request = simple_request();
    EXPECT_EQ(count_marks(body_of(request)), 0u);
    request.system = "Be brief.";
    EXPECT_EQ(count_marks(body_of(request)), 1u);
    request.tools = {{.name = "f", .description = {}, .schema = {}}};
    EXPECT_EQ(count_marks(body_of(request)), 2u);
    request.stable_messages = 1;
    EXPECT_EQ(count_marks(body_of(request)), 3u);
    // Thinking and native blocks are sent as they came: no mark in them.
    request.messages.push_back({Role::assistant, {Thinking{"a", "sig", own}, Native{R"({"type":"x"})", own}}});
    request.stable_messages = 2;
    EXPECT_EQ(count_marks(body_of(request)), 3u);
    EXPECT_THAT(body_of(request), HasSubstr(R"({"type":"text","text":"Hi")" + std::string(mark)));
}

// Of a JSON body, all texts that end with a breakpoint.
void collect_marked(const json::value& value, std::vector<std::string>& into) {
    if (const json::array* array = value.if_array())
        for (const json::value& item : *array) collect_marked(item, into);
    const json::object* object = value.if_object();
    if (!object) return;
    if (object->contains("cache_control") && object->contains("text"))
        into.emplace_back(object->at("text").as_string());
    for (const auto& [name, member] : *object) collect_marked(member, into);
}

TEST(AnthropicBody, says_what_the_recorded_requests_say) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    std::map<std::string, int> shown;
    for (const support::Recording& recording : support::load_recordings("anthropic", "messages")) {
        json::error_code error;
        const json::value value = json::parse(recording.request_body, error);
        if (error || !value.is_object()) continue;  // not recorded
        const auto request = support::to_model_request(value.as_object(), own);
        if (!request) continue;
        const std::string ours = body_of(*request);
        const json::value ours_parsed = json::parse(ours);
        EXPECT_EQ(support::normalized(ours_parsed), support::normalized(value)) << recording.name;
        std::vector<std::string> marked, marked_by_us;
        collect_marked(value, marked);
        collect_marked(ours_parsed, marked_by_us);
        EXPECT_THAT(marked_by_us, testing::IsSupersetOf(marked)) << recording.name;
        for (const char* const what : {"\"tools\"", "tool_result", "tool_use\"", "\"image\"", "\"document\"", "\"url\"",
                                       "\"thinking\",", "cache_control", "stop_sequences"})
            if (recording.request_body.find(what) != std::string::npos) ++shown[what];
        ++shown["all"];
    }
    EXPECT_GE(shown["all"], 35);
    EXPECT_EQ(shown.size(), 10u) << testing::PrintToString(shown);
}

}  // namespace
}  // namespace tertulia::providers
