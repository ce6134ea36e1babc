// Our requests beside those that other programs sent to OpenAI's APIs, where both say the same.

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "support/recordings.h"
#include "tertulia/providers/openai_chat_wire.h"
#include "tertulia/providers/openai_responses_wire.h"

namespace tertulia::providers {
namespace {

namespace json = boost::json;
using chat::Role;

const OpenAiServer openai = openai_server({.tls = true, .host = "api.openai.com"});

std::string text(const json::value& value) {
    return std::string(value.as_string());
}

// `data:TYPE;base64,...` or an address.
template <class Block>
Block linked(const std::string& url) {
    const std::size_t comma = url.find(";base64,");
    if (!url.starts_with("data:") || comma == std::string::npos) return {.url = url};
    return {.media_type = url.substr(5, comma - 5), .base64 = url.substr(comma + 8)};
}

chat::ContentBlock to_block(const json::object& part) {
    const json::value& type = part.at("type");
    if (type == "image_url") return linked<chat::Image>(text(part.at("image_url").at("url")));
    if (type == "input_image") return linked<chat::Image>(text(part.at("image_url")));
    if (type == "file" || type == "input_file") {
        const json::object& file = type == "file" ? part.at("file").as_object() : part;
        auto document = linked<chat::Document>(text(file.at("file_data")));
        if (const json::value* name = file.if_contains("filename")) document.name = text(*name);
        return document;
    }
    return chat::Text{text(part.at("text"))};
}

class Reader {
  public:
    explicit Reader(bool is_chat) : is_chat_(is_chat) {}

    // Nothing where it holds what we do not send.
    std::optional<models::ModelRequest> read(const json::object& body) {
        for (const auto& [name, value] : body)
            if (!read_member(name, value)) return std::nullopt;
        return request_;
    }

  private:
    bool read_member(std::string_view name, const json::value& value) {
        if (name == "model") {
            request_.model = text(value);
        } else if (name == "instructions") {
            request_.system = text(value);
        } else if (name == "max_tokens" || name == "max_completion_tokens" || name == "max_output_tokens") {
            request_.max_tokens = value.to_number<std::int64_t>();
        } else if (name == "temperature") {
            request_.temperature = value.to_number<double>();
        } else if (name == "stream") {
            request_.stream = value.as_bool();
        } else if (name == "tool_choice") {
            using Kind = chat::ToolChoice::Kind;
            request_.tool_choice = {.kind = value == "auto" ? Kind::automatic : Kind::any};
        } else if (name == "tools") {
            for (const json::value& tool : value.as_array())
                if (!read_tool(tool.as_object())) return false;
        } else if (name == "messages") {
            for (const json::value& message : value.as_array()) read_message(message.as_object());
        } else if (name == "input") {
            if (value.is_string())
                read_message({{"role", "user"}, {"content", value}});
            else
                for (const json::value& item : value.as_array()) read_message(item.as_object());
        } else if (name == "n") {
            return value == 1;
        } else {
            return name == "stream_options" || name == "include" || name == "previous_response_id" ||
                   name == "reasoning" || name == "service_tier";
        }
        return true;
    }

    bool read_tool(const json::object& outer) {
        if (outer.at("type") != "function") return false;
        const json::object& tool = is_chat_ ? outer.at("function").as_object() : outer;
        const json::value* description = tool.if_contains("description");
        request_.tools.push_back({.name = text(tool.at("name")),
                                  .description = description && description->is_string() ? text(*description) : "",
                                  .schema = json::serialize(tool.at("parameters"))});
        return true;
    }

    // What follows a message of the same role belongs to it.
    std::vector<chat::ContentBlock>& content(Role role) {
        if (request_.messages.empty() || request_.messages.back().role != role)
            request_.messages.push_back({.role = role, .content = {}});
        return request_.messages.back().content;
    }

    void read_message(const json::object& message) {
        const json::value* type = message.if_contains("type");
        if (type && *type == "function_call") {
            content(Role::assistant)
                .emplace_back(chat::ToolCall{text(message.at("call_id")), text(message.at("name")),
                                             text(message.at("arguments"))});
            return;
        }
        if (type && *type == "function_call_output") {
            content(Role::user)
                .emplace_back(chat::ToolResult{.call_id = text(message.at("call_id")),
                                               .content = {chat::Text{text(message.at("output"))}}});
            return;
        }
        const json::value& role = message.at("role");
        const json::value& said = message.at("content");
        if (role == "system" || role == "developer") {
            request_.system = text(said);
            return;
        }
        if (role == "tool") {
            content(Role::user)
                .emplace_back(
                    chat::ToolResult{.call_id = text(message.at("tool_call_id")), .content = {chat::Text{text(said)}}});
            return;
        }
        std::vector<chat::ContentBlock>& blocks = content(role == "user" ? Role::user : Role::assistant);
        if (said.is_string()) blocks.emplace_back(chat::Text{text(said)});
        for (const json::value& part : said.is_array() ? said.as_array() : json::array())
            blocks.push_back(to_block(part.as_object()));
        if (const json::value* calls = message.if_contains("tool_calls"))
            for (const json::value& call : calls->as_array())
                blocks.emplace_back(chat::ToolCall{text(call.at("id")), text(call.at("function").at("name")),
                                                   text(call.at("function").at("arguments"))});
    }

    bool is_chat_;
    models::ModelRequest request_{.stream = false};
};

json::value normalized_content(const json::value& content) {
    if (!content.is_array()) return content;
    json::array parts = content.as_array();
    if (parts.size() == 1 && (parts[0].at("type") == "output_text" || parts[0].at("type") == "text"))
        return parts[0].at("text");
    return parts;
}

json::object normalized_tool(json::object tool) {
    tool.erase("strict");
    if (json::value* description = tool.if_contains("description"); description && *description == "")
        *description = nullptr;
    if (json::value* description = tool.if_contains("description"); description && description->is_null())
        tool.erase("description");
    if (json::value* function = tool.if_contains("function")) *function = normalized_tool(function->as_object());
    return tool;
}

// One form for what may be said in two ways, without what we always or never say.
json::object normalized(json::object body) {
    for (const char* name :
         {"stream_options", "store", "include", "reasoning", "service_tier", "n", "previous_response_id"})
        body.erase(name);
    if (body.contains("temperature")) body["temperature"] = body["temperature"].to_number<double>();
    if (body.contains("stream") && !body["stream"].as_bool()) body.erase("stream");
    if (body.contains("instructions") && body["instructions"] == "") body.erase("instructions");
    if (json::value* input = body.if_contains("input"); input && input->is_string())
        *input = json::array{json::object{{"role", "user"}, {"content", *input}}};
    for (const char* list : {"messages", "input"}) {
        if (!body.contains(list)) continue;
        for (json::value& value : body[list].as_array()) {
            json::object& item = value.as_object();
            item.erase("id");
            item.erase("status");
            if (item.contains("type") && item["type"] == "message") item.erase("type");
            if (item.contains("role") && item["role"] == "developer") item["role"] = "system";
            if (item.contains("content")) item["content"] = normalized_content(item["content"]);
        }
    }
    if (json::value* tools = body.if_contains("tools"))
        for (json::value& tool : tools->as_array()) tool = normalized_tool(tool.as_object());
    return body;
}

TEST(OpenAiRequests, say_what_the_recorded_ones_say) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    std::map<std::string, int> compared;
    for (const auto& [provider, api] : {std::pair{"openai", "chat"},
                                        {"azure-openai", "chat"},
                                        {"openai", "responses"},
                                        {"bedrock-mantle", "responses"}}) {
        for (const support::Recording& recording : support::load_recordings(provider, api)) {
            json::error_code error;
            const json::value recorded = json::parse(recording.request_body, error);
            if (error || !recorded.is_object()) continue;  // not recorded
            const bool is_chat = recording.api == "chat";
            const auto request = Reader(is_chat).read(recorded.as_object());
            if (!request) continue;
            const std::string ours = is_chat ? build_openai_chat_body(*request, openai)
                                             : build_openai_responses_body(*request, openai, true);
            const json::object found = normalized(json::parse(ours).as_object());
            EXPECT_TRUE(found == normalized(recorded.as_object()))
                << recording.name << "\nours     " << json::serialize(found) << "\nrecorded "
                << json::serialize(normalized(recorded.as_object()));
            ++compared[recording.api];
        }
    }
    EXPECT_GE(compared["chat"], 24);
    EXPECT_GE(compared["responses"], 14);
}

}  // namespace
}  // namespace tertulia::providers
