// The requests that we send to Amazon Bedrock's Converse.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <optional>

#include "support/recordings.h"
#include "tertulia/providers/bedrock_converse_wire.h"

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

const std::string own(bedrock_converse_kind);
constexpr std::string_view mark = R"(,{"cachePoint":{"type":"default"}})";
const std::string claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const std::string nova = "us.amazon.nova-lite-v1:0";
const std::string llama = "meta.llama3-1-70b-instruct-v1:0";

models::ModelRequest simple_request(const std::string& model = claude) {
    return {.model = model, .messages = {{Role::user, {Text{"Hi"}}}}, .stream = false};
}

std::string body_of(const models::ModelRequest& request) {
    return build_bedrock_converse_body(request);
}

json::value content_of(const models::ModelRequest& request, std::size_t message) {
    return json::parse(body_of(request)).at("messages").at(message).at("content");
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

TEST(BedrockConverseBody, says_what_the_request_says) {
    models::ModelRequest request = simple_request();
    EXPECT_EQ(body_of(request), R"({"messages":[{"role":"user","content":[{"text":"Hi"}]}]})");
    EXPECT_EQ(bedrock_converse_path(request), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
    request.stream = true;
    EXPECT_EQ(bedrock_converse_path(request), "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream");
    request.system = "Be \"brief\".";
    request.max_tokens = 100;
    request.temperature = 0.5;
    request.stop = {"END"};
    EXPECT_EQ(
        body_of(request),
        R"({"system":[{"text":"Be \"brief\"."},{"cachePoint":{"type":"default"}}],"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":100,"temperature":0.5,"stopSequences":["END"]}})");
}

TEST(BedrockConverseBody, sends_reasoning_and_native_blocks_to_their_makers_only) {
    const std::string redacted = R"({"reasoningContent":{"redactedContent":"YWI="}})";
    const std::string server = R"({"toolUse":{"toolUseId":"s","name":"g","type":"server_tool_use","input":{}}})";
    models::ModelRequest request = simple_request();
    request.messages.push_back(
        {Role::assistant,
         {Thinking{"a", "sig", own}, Thinking{"b", "", own}, Thinking{"c", "sig", "anthropic-messages"},
          Native{redacted, own}, Native{server, own}, Native{redacted, "bedrock-invoke"}, Text{" "}, Text{"said"}}});
    request.messages.push_back({Role::user, {Text{"And?"}}});
    EXPECT_EQ(content_of(request, 1),
              json::parse(R"([{"reasoningContent":{"reasoningText":{"text":"a","signature":"sig"}}},)" + redacted +
                          R"(,{"text":"said"}])"));
    request.model = nova;
    EXPECT_EQ(content_of(request, 1), json::parse("[" + server + R"(,{"text":"said"}])"));
    request.model = llama;
    EXPECT_EQ(content_of(request, 1), json::parse(R"([{"text":"said"}])"));
}

TEST(BedrockConverseBody, joins_messages_that_would_be_neighbours_of_one_role) {
    models::ModelRequest request = simple_request(llama);
    request.messages.push_back({Role::assistant, {Thinking{"a", "sig", own}, Text{""}}});
    request.messages.push_back({Role::user, {Text{"Hello?"}}});
    request.messages.push_back({Role::assistant, {Text{"Yes."}}});
    request.messages.push_back({Role::user, {Text{" "}}});
    EXPECT_EQ(
        body_of(request),
        R"({"messages":[{"role":"user","content":[{"text":"Hi"},{"text":"Hello?"}]},{"role":"assistant","content":[{"text":"Yes."}]}]})");
}

TEST(BedrockConverseBody, carries_tools_and_their_choice) {
    models::ModelRequest request = simple_request(llama);
    request.tools = {{.name = "f", .description = "Does f.", .schema = R"({"type":"object","properties":{}})"},
                     {.name = "g", .description = {}, .schema = {}}};
    const std::string tools =
        R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"Does f.","inputSchema":{"json":{"type":"object","properties":{}}}}},{"toolSpec":{"name":"g","inputSchema":{"json":{"type":"object"}}}}])";
    EXPECT_THAT(body_of(request), HasSubstr(tools + "},"));
    const std::pair<ToolChoice, const char*> table[] = {
        {{.kind = ToolChoice::Kind::automatic, .name = {}}, R"(,"toolChoice":{"auto":{}}},)"},
        {{.kind = ToolChoice::Kind::any, .name = {}}, R"(,"toolChoice":{"any":{}}},)"},
        {{.kind = ToolChoice::Kind::named, .name = "g"}, R"(,"toolChoice":{"tool":{"name":"g"}}},)"},
    };
    for (const auto& [choice, text] : table) {
        request.tool_choice = choice;
        EXPECT_THAT(body_of(request), HasSubstr(tools + text));
    }
    request.tool_choice = ToolChoice{.kind = ToolChoice::Kind::none, .name = {}};  // the API has no such choice
    EXPECT_THAT(body_of(request), Not(HasSubstr("tool")));
    request.messages.push_back({Role::assistant, {ToolCall{"t", "f", "{}"}}});
    request.messages.push_back({Role::user, {ToolResult{"t", {Text{"1"}}}}});
    EXPECT_THAT(body_of(request), HasSubstr(tools + "},")) << "the history needs them";
    request.tools.clear();
    request.tool_choice.reset();
    EXPECT_THAT(body_of(request), HasSubstr(R"("toolConfig":{"tools":[{"toolSpec":{"name":"f",)"));
    EXPECT_THAT(body_of(request), Not(HasSubstr("toolChoice")));
}

TEST(BedrockConverseBody, carries_tool_calls_and_results_results_first) {
    models::ModelRequest request = simple_request();
    request.messages.push_back(
        {Role::assistant,
         {Text{"Let me see."}, ToolCall{"t1", "f", R"({"a": [1]})"}, ToolCall{"t:2", "f", R"({"a":)"}}});
    request.messages.push_back(
        {Role::user,
         {Text{"There:"},
          ToolResult{"t1", {Text{"one"}, Image{"image/png", "AAAA", ""}, Document{"text/csv", "AAAA", "", "a.csv"}}},
          ToolResult{"t:2", {Text{" "}}, true}}});
    const json::value calls = content_of(request, 1), results = content_of(request, 2);
    const std::string id(calls.at(2).at("toolUse").at("toolUseId").as_string());
    EXPECT_EQ(calls, json::parse(R"([{"text":"Let me see."},
        {"toolUse":{"toolUseId":"t1","name":"f","input":{"a":[1]}}},
        {"toolUse":{"toolUseId":")" +
                                 id + R"(","name":"f","input":{}}}])"));
    EXPECT_EQ(results, json::parse(R"J([
        {"toolResult":{"toolUseId":"t1","content":[{"text":"one"},
            {"image":{"format":"png","source":{"bytes":"AAAA"}}},
            {"document":{"name":"a csv","format":"csv","source":{"bytes":"AAAA"}}}]}},
        {"toolResult":{"toolUseId":")J" +
                                   id + R"J(","content":[{"text":"(nothing)"}],"status":"error"}},
        {"text":"There:"}])J"));
    request.model = llama;
    EXPECT_THAT(body_of(request), Not(HasSubstr("status"))) << "only Claude and Nova take it";
}

TEST(BedrockConverseBody, carries_pictures_and_documents) {
    models::ModelRequest request = simple_request();
    request.messages[0].content = {
        Image{"image/jpeg", "AAAA", ""},
        Image{"", "", "https://example.com/a.png"},
        Image{"image/tiff", "AAAA", ""},
        Document{"application/pdf", "AAAA", "", "Plan (2)__final. v[3]-b \xc3\xa9"},
        Document{"application/pdf", "AAAA", "", ""},
        Document{"text/x-python", "AAAA", "", "Plan (2) final v[3]-b"},
        Document{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "AAAA", "",
                 std::string(300, 'n')},
        Document{"application/zip", "AAAA", "", "z"},
    };
    EXPECT_EQ(content_of(request, 0), json::parse(R"([
        {"image":{"format":"jpeg","source":{"bytes":"AAAA"}}},
        {"text":"[A picture was here, which this model is not shown: https://example.com/a.png]"},
        {"text":"[A picture (image/tiff) was here, which this model is not shown.]"},
        {"document":{"name":"Plan (2) final v[3]-b","format":"pdf","source":{"bytes":"AAAA"}}},
        {"document":{"name":"Document 2","format":"pdf","source":{"bytes":"AAAA"}}},
        {"document":{"name":"Plan (2) final v[3]-b 2","format":"txt","source":{"bytes":"AAAA"}}},
        {"document":{"name":")" + std::string(188, 'n') +
                                                  R"(","format":"docx","source":{"bytes":"AAAA"}}},
        {"text":"[A document \"z\" (application/zip) was here, which this model is not shown.]"}])"));
    request.messages[0].content = {Document{"application/pdf", "AAAA", "", "a"}};
    EXPECT_EQ(content_of(request, 0), json::parse(R"J([
        {"document":{"name":"a","format":"pdf","source":{"bytes":"AAAA"}}},{"text":"(see the document)"}])J"));
}

TEST(BedrockConverseBody, names_no_two_documents_alike_however_many_there_are) {
    models::ModelRequest request = simple_request(llama);
    request.messages[0].content.assign(50'000, Document{"application/pdf", "AAAA", "", "a"});
    request.messages[0].content.insert(request.messages[0].content.begin(), Document{"text/csv", "AAAA", "", "a 2"});
    const std::string body = body_of(request);
    EXPECT_THAT(body, HasSubstr(R"({"name":"a 2","format":"csv")"));
    EXPECT_THAT(body, HasSubstr(R"({"name":"a","format":"pdf")"));
    EXPECT_THAT(body, Not(HasSubstr(R"({"name":"a 2","format":"pdf")")));
    EXPECT_THAT(body, HasSubstr(R"({"name":"a 50001","format":"pdf")"));
}

TEST(BedrockConverseBody, has_cache_points_where_the_model_takes_them) {
    const struct {
        std::string model;
        bool has_tools;
        std::size_t marks;
    } table[] = {
        {claude, true, 4}, {nova, true, 3}, {llama, true, 0}, {claude, false, 3}, {"anthropic.claude-v2", true, 0},
    };
    for (const auto& row : table) {
        models::ModelRequest request = simple_request(row.model);
        request.system = "Be brief.";
        request.messages.push_back({Role::assistant, {Text{"Ho"}}});
        request.messages.push_back({Role::user, {Text{"Really?"}, Image{"image/png", "AAAA", ""}}});
        request.stable_messages = 3;
        if (row.has_tools) request.tools = {{.name = "f", .description = {}, .schema = {}}};
        EXPECT_EQ(count_marks(body_of(request)), row.marks) << row.model << row.has_tools;
        if (row.model == nova) EXPECT_THAT(body_of(request), HasSubstr(R"({"text":"Really?"})" + std::string(mark)));
        if (row.model == claude) EXPECT_THAT(body_of(request), HasSubstr("\"AAAA\"}}}" + std::string(mark)));
    }
}

TEST(BedrockConverseBody, of_a_session_begins_with_all_that_was_cached_before) {
    models::ModelRequest request{.model = claude, .system = "Be brief.", .messages = {}};
    request.tools = {{.name = "f", .description = "Does f.", .schema = R"({"type":"object"})"}};
    std::string cached;
    std::size_t last_place = 0;
    for (int turn = 0; turn < 20; ++turn) {
        const std::string number = std::to_string(turn);
        request.messages.push_back({Role::user, {Text{"Question " + number}, Document{"text/plain", "AAAA", "", "d"}}});
        request.messages.push_back({Role::assistant, {Thinking{"hm", "sig", own}, ToolCall{number, "f", "{}"}}});
        request.messages.push_back({Role::user, {ToolResult{number, {Text{"Result"}}}}});
        request.messages.push_back({Role::assistant, {Text{"Answer " + number}, Thinking{"so", "sig", own}}});
        models::ModelRequest asked = request;
        asked.messages.push_back({Role::user, {Text{"And now, " + number + "?"}}});
        asked.stable_messages = request.messages.size();
        asked.max_tokens = 100 + turn;  // what changes from turn to turn
        const std::string body = body_of(asked);
        ASSERT_EQ(count_marks(body), 4u);
        const std::string plain = without_marks(body);
        ASSERT_EQ(plain.compare(0, cached.size(), cached), 0) << "turn " << turn << "\n" << plain;
        std::vector<std::size_t> places;
        for (std::size_t at = 0; (at = body.find(mark, at)) != std::string::npos; at += mark.size())
            places.push_back(at - places.size() * mark.size());
        cached = plain.substr(0, places.back());
        EXPECT_THAT(cached, HasSubstr("Answer " + number));
        EXPECT_THAT(cached, Not(HasSubstr("And now")));
        last_place = places.back();
    }
    EXPECT_GT(last_place, 0u);
}

// The recorded request as ours; nothing where it holds what a ModelRequest cannot.
std::optional<chat::ContentBlock> to_block(const json::object& part) {
    const auto text = [](const json::value& value) { return std::string(value.as_string()); };
    if (const auto* said = part.if_contains("text")) return Text{text(*said)};
    if (const auto* call = part.if_contains("toolUse"))
        return ToolCall{text(call->at("toolUseId")), text(call->at("name")), json::serialize(call->at("input"))};
    if (const auto* image = part.if_contains("image"))
        return Image{"image/" + text(image->at("format")), text(image->at("source").at("bytes")), ""};
    if (const auto* document = part.if_contains("document"))
        return Document{"application/" + text(document->at("format")), text(document->at("source").at("bytes")), "",
                        text(document->at("name"))};
    const auto* result = part.if_contains("toolResult");
    if (!result) return std::nullopt;
    ToolResult to{.call_id = text(result->at("toolUseId")), .content = {}};
    for (const json::value& item : result->at("content").as_array())
        to.content.emplace_back(Text{json::serialize(item.at("json"))});
    return to;
}

std::optional<models::ModelRequest> to_model_request(const json::object& body) {
    models::ModelRequest request{.model = "x", .stream = false};
    for (const auto& [name, value] : body) {
        if (name == "system") {
            for (const json::value& part : value.as_array())
                if (const auto* said = part.as_object().if_contains("text")) request.system = said->as_string();
        } else if (name == "inferenceConfig") {
            const json::object& config = value.as_object();
            if (const auto* most = config.if_contains("maxTokens"))
                request.max_tokens = most->to_number<std::int64_t>();
            if (const auto* heat = config.if_contains("temperature")) request.temperature = heat->to_number<double>();
            if (const auto* stops = config.if_contains("stopSequences"))
                for (const json::value& stop : stops->as_array()) request.stop.emplace_back(stop.as_string());
        } else if (name == "toolConfig") {
            for (const json::value& item : value.at("tools").as_array()) {
                const auto* spec = item.as_object().if_contains("toolSpec");
                if (item.as_object().contains("systemTool")) return std::nullopt;
                if (!spec) continue;
                const auto* about = spec->as_object().if_contains("description");
                request.tools.push_back({.name = std::string(spec->at("name").as_string()),
                                         .description = about ? std::string(about->as_string()) : std::string(),
                                         .schema = json::serialize(spec->at("inputSchema").at("json"))});
            }
            const auto* choice = value.as_object().if_contains("toolChoice");
            if (!choice) continue;
            ToolChoice& to = request.tool_choice.emplace();
            if (choice->as_object().contains("any")) to.kind = ToolChoice::Kind::any;
            if (const auto* named = choice->as_object().if_contains("tool"))
                to = {.kind = ToolChoice::Kind::named, .name = std::string(named->at("name").as_string())};
        }
    }
    std::optional<Role> last_role;
    for (const json::value& message : body.at("messages").as_array()) {
        chat::Message to{.role = *chat::parse_role(std::string(message.at("role").as_string()))};
        if (std::exchange(last_role, to.role) == to.role) return std::nullopt;  // ours never stand so
        for (const json::value& part : message.at("content").as_array()) {
            auto block = to_block(part.as_object());
            if (!block) return std::nullopt;
            to.content.push_back(std::move(*block));
        }
        request.messages.push_back(std::move(to));
    }
    return request;
}

// Without cache points, defaults and what we never ask for; a tool's JSON as text.
json::value normalized(json::value value) {
    if (json::array* array = value.if_array()) {
        json::array kept;
        for (json::value& item : *array)
            if (!item.is_object() || !item.as_object().contains("cachePoint"))
                kept.push_back(normalized(std::move(item)));
        return kept;
    }
    json::object* object = value.if_object();
    if (!object) return value;
    for (const char* const name : {"guardrailConfig", "additionalModelRequestFields", "outputConfig", "topP", "strict"})
        object->erase(name);
    if (const auto* result = object->if_contains("json");
        result && object->size() == 1 && !result->as_object().contains("type"))
        return json::object{{"text", json::serialize(*result)}};
    json::object kept;
    for (auto& [name, member] : *object) {
        json::value plain = normalized(std::move(member));
        const bool is_empty = (plain.is_array() && plain.as_array().empty()) ||
                              (plain.is_object() && plain.as_object().empty() && name == "inferenceConfig");
        if (!is_empty) kept[name] = name == "temperature" ? json::value(plain.to_number<double>()) : std::move(plain);
    }
    return kept;
}

TEST(BedrockConverseBody, says_what_the_recorded_requests_say) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    std::map<std::string, int> shown;
    for (const char* const api : {"converse", "converse-stream"}) {
        for (const support::Recording& recording : support::load_recordings("bedrock", api)) {
            json::error_code error;
            const json::value value = json::parse(recording.request_body, error);
            if (error || !value.is_object()) continue;
            const auto request = to_model_request(value.as_object());
            if (!request) continue;
            EXPECT_EQ(normalized(json::parse(body_of(*request))), normalized(value)) << recording.name;
            for (const char* const what : {"\"toolSpec\"", "toolResult", "\"image\"", "\"document\"", "cachePoint"})
                if (recording.request_body.find(what) != std::string::npos) ++shown[what];
            ++shown["all"];
        }
    }
    EXPECT_GE(shown["all"], 25);
    EXPECT_EQ(shown.size(), 6u) << testing::PrintToString(shown);
}

}  // namespace
}  // namespace tertulia::providers
