#include "tertulia/api/tools_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "tertulia/api/json_text.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Result;
using chat::ToolChoice;

constexpr std::size_t max_tools = 128, max_name_bytes = 64;
constexpr std::size_t max_description_bytes = 16 << 10, max_schema_bytes = 64 << 10;
constexpr std::array<std::string_view, 3> members{"name", "description", "input_schema"};
constexpr std::string_view name_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

std::unexpected<base::Error> wrong(std::string message) {
    return base::fail(base::Errc::invalid_request, std::move(message));
}

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}

const json::value* find(const json::object& object, std::string_view member) {
    const json::value* value = object.if_contains(member);
    return value && !value->is_null() ? value : nullptr;
}

bool is_name(const json::value* value) {
    if (!value || !value->is_string()) return false;
    const std::string_view name = view(value->get_string());
    return !name.empty() && name.size() <= max_name_bytes &&
           name.find_first_not_of(name_characters) == std::string_view::npos;
}

bool is_among(const std::vector<chat::Tool>& tools, std::string_view name) {
    return std::ranges::find(tools, name, &chat::Tool::name) != tools.end();
}

Result<std::string> read_schema(const json::value* value, std::size_t number) {
    if (!value || !value->is_object())
        return wrong(fmt::format("'tools[{}].input_schema' must be a JSON schema, an object.", number));
    const json::object& object = value->get_object();
    const json::value* type = object.if_contains("type");
    if (type && (!type->is_string() || view(type->get_string()) != "object"))
        return wrong(fmt::format(
            "'tools[{}].input_schema.type' must be \"object\": a tool's arguments are the members of one.", number));
    std::string text;
    if (!append_json_value(text, *value))
        return wrong(fmt::format("'tools[{}].input_schema' holds a number that is out of range.", number));
    if (!type) text.insert(1, object.empty() ? R"("type":"object")" : R"("type":"object",)");
    if (text.size() > max_schema_bytes)
        return wrong(
            fmt::format("'tools[{}].input_schema' must not be longer than {} bytes.", number, max_schema_bytes));
    return text;
}

Result<chat::Tool> read_tool(const json::value& value, std::size_t number) {
    if (!value.is_object()) return wrong(fmt::format("'tools[{}]' must be an object.", number));
    const json::object& object = value.get_object();
    for (const json::key_value_pair& given : object) {
        const std::string_view name(given.key().data(), given.key().size());
        if (std::ranges::find(members, name) == members.end())
            return wrong(fmt::format("'tools[{}].{}' is unknown; the known ones are {}.", number,
                                     base::cut_utf8(name, 64), fmt::join(members, ", ")));
    }
    const json::value* name = find(object, "name");
    if (!is_name(name))
        return wrong(
            fmt::format("'tools[{}].name' must have 1 to {} characters of A-Z a-z 0-9 _ -.", number, max_name_bytes));
    chat::Tool tool{.name = std::string(view(name->get_string())), .description = {}, .schema = {}};
    if (const json::value* description = find(object, "description")) {
        if (!description->is_string() || description->get_string().size() > max_description_bytes)
            return wrong(fmt::format("'tools[{}].description' must be a string of at most {} bytes.", number,
                                     max_description_bytes));
        tool.description = view(description->get_string());
    }
    Result<std::string> schema = read_schema(find(object, "input_schema"), number);
    if (!schema) return std::unexpected(schema.error());
    tool.schema = *std::move(schema);
    return tool;
}

}  // namespace

Result<std::vector<chat::Tool>> read_tools(const json::value& value) {
    const json::array* list = value.if_array();
    if (!list || list->size() > max_tools)
        return wrong(fmt::format("'tools' must be a list of at most {} tools.", max_tools));
    std::vector<chat::Tool> tools;
    tools.reserve(list->size());
    for (const json::value& item : *list) {
        Result<chat::Tool> tool = read_tool(item, tools.size());
        if (!tool) return std::unexpected(tool.error());
        if (is_among(tools, tool->name))
            return wrong(fmt::format("'tools[{}].name' is the name of an earlier tool.", tools.size()));
        tools.push_back(*std::move(tool));
    }
    return tools;
}

Result<ToolChoice> read_tool_choice(const json::value& value) {
    if (value.is_string()) {
        const std::string_view word = view(value.get_string());
        if (word == "auto") return ToolChoice{.kind = ToolChoice::Kind::automatic, .name = {}};
        if (word == "any") return ToolChoice{.kind = ToolChoice::Kind::any, .name = {}};
        if (word == "none") return ToolChoice{.kind = ToolChoice::Kind::none, .name = {}};
    } else if (value.is_object() && value.get_object().size() == 1 && is_name(value.get_object().if_contains("name"))) {
        return ToolChoice{.kind = ToolChoice::Kind::named,
                          .name = std::string(view(value.get_object().at("name").get_string()))};
    }
    return wrong("'tool_choice' must be \"auto\", \"any\", \"none\" or {\"name\": \"a tool\"}.");
}

Result<void> check_tool_choice(const std::optional<ToolChoice>& choice, const std::vector<chat::Tool>& tools) {
    if (!choice || choice->kind == ToolChoice::Kind::automatic || choice->kind == ToolChoice::Kind::none) return {};
    if (tools.empty()) return wrong("'tool_choice' asks for a tool, but there are no 'tools'.");
    if (choice->kind == ToolChoice::Kind::named && !is_among(tools, choice->name))
        return wrong("'tool_choice.name' is the name of none of the 'tools'.");
    return {};
}

}  // namespace tertulia::api
