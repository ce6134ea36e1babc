// Recorded requests of Anthropic's Messages API, turned into ours. Header only.
#pragma once

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tertulia/models/provider.h"

namespace tertulia::support {

/// What we never ask for, as members of a request.
inline const std::set<std::string, std::less<>>& anthropic_members_not_sent() {
    static const std::set<std::string, std::less<>> names = {"thinking",      "mcp_servers", "output_config",
                                                             "output_format", "top_k",       "top_p"};
    return names;
}

namespace detail {

inline std::string text(const boost::json::value& value) {
    return std::string(value.as_string());
}

inline std::optional<chat::ContentBlock> to_block(const boost::json::object& part, std::string_view maker);

inline std::vector<chat::ContentBlock> to_blocks(const boost::json::value& content, std::string_view maker) {
    if (content.is_string()) return {chat::Text{text(content)}};
    std::vector<chat::ContentBlock> blocks;
    for (const boost::json::value& part : content.as_array())
        if (auto block = to_block(part.as_object(), maker)) blocks.push_back(std::move(*block));
    return blocks;
}

inline std::optional<chat::ContentBlock> to_block(const boost::json::object& part, std::string_view maker) {
    const std::string type = text(part.at("type"));
    const auto source = [&](std::string_view member) {
        const boost::json::value* value = part.at("source").as_object().if_contains(member);
        return value ? text(*value) : std::string();
    };
    if (type == "text") return chat::Text{text(part.at("text"))};
    if (type == "thinking")
        return chat::Thinking{text(part.at("thinking")), text(part.at("signature")), std::string(maker)};
    if (type == "image")
        return chat::Image{.media_type = source("media_type"), .base64 = source("data"), .url = source("url")};
    if (type == "document")
        return chat::Document{
            .media_type = source("media_type"), .base64 = source("data"), .url = source("url"), .name = {}};
    if (type == "tool_use")
        return chat::ToolCall{text(part.at("id")), text(part.at("name")), boost::json::serialize(part.at("input"))};
    if (type != "tool_result") return std::nullopt;
    chat::ToolResult result{.call_id = text(part.at("tool_use_id")), .content = {}};
    for (chat::ContentBlock& block : to_blocks(part.at("content"), maker))
        if (auto* said = std::get_if<chat::Text>(&block)) result.content.emplace_back(std::move(*said));
    if (const boost::json::value* failed = part.if_contains("is_error")) result.is_error = failed->as_bool();
    return result;
}

}  // namespace detail

/// The request that `body` says; nothing where it holds what a ModelRequest cannot (server tools, other roles). All of
/// its messages are stable.
inline std::optional<models::ModelRequest> to_model_request(const boost::json::object& body, std::string_view maker) {
    models::ModelRequest request{.stream = false};
    for (const auto& [name, value] : body) {
        if (name == "model") {
            request.model = detail::text(value);
        } else if (name == "system") {
            request.system = chat::text_of(detail::to_blocks(value, maker));
        } else if (name == "max_tokens") {
            request.max_tokens = value.to_number<std::int64_t>();
        } else if (name == "temperature") {
            request.temperature = value.to_number<double>();
        } else if (name == "stream") {
            request.stream = value.as_bool();
        } else if (name == "stop_sequences") {
            for (const boost::json::value& stop : value.as_array()) request.stop.push_back(detail::text(stop));
        } else if (name == "tools") {
            for (const boost::json::value& item : value.as_array()) {
                const boost::json::object& tool = item.as_object();
                if (tool.contains("type")) return std::nullopt;
                request.tools.push_back(
                    {.name = detail::text(tool.at("name")),
                     .description = tool.contains("description") ? detail::text(tool.at("description")) : std::string(),
                     .schema = boost::json::serialize(tool.at("input_schema"))});
            }
        }
    }
    for (const boost::json::value& message : body.at("messages").as_array()) {
        const auto role = chat::parse_role(detail::text(message.at("role")));
        if (!role) return std::nullopt;
        request.messages.push_back({*role, detail::to_blocks(message.at("content"), maker)});
    }
    request.stable_messages = request.messages.size();
    return request;
}

/// One form for what may be said in two ways, without cache breakpoints and what we never ask for.
inline boost::json::value normalized(boost::json::value value) {
    if (boost::json::array* array = value.if_array())
        for (boost::json::value& item : *array) item = normalized(std::move(item));
    boost::json::object* object = value.if_object();
    if (!object) return value;
    object->erase("cache_control");
    if (const auto* stream = object->if_contains("stream"); stream && *stream == boost::json::value(false))
        object->erase("stream");
    if (const auto* failed = object->if_contains("is_error"); failed && *failed == boost::json::value(false))
        object->erase("is_error");
    if (const auto* said = object->if_contains("description"); said && *said == boost::json::value(""))
        object->erase("description");
    for (const std::string& name : anthropic_members_not_sent()) object->erase(name);
    for (auto& [name, member] : *object) {
        if (name == "temperature") member = member.to_number<double>();
        if ((name == "content" || name == "system") && member.is_string())
            member = boost::json::array{boost::json::object{{"type", "text"}, {"text", member}}};
        member = normalized(std::move(member));
    }
    return value;
}

}  // namespace tertulia::support
