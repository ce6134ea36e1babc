#include "tertulia/providers/body_writing.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <variant>

#include "tertulia/base/crypto.h"
#include "tertulia/base/json.h"
#include "tertulia/providers/json_reading.h"

namespace tertulia::providers {
namespace {

using chat::ToolChoice;

bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

bool is_white_space(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos;
}

void append_text_member(std::string& out, std::string_view name, std::string_view text) {
    out += ',';
    base::append_json_name(out, name);
    base::append_json_string(out, text);
}

void append_texts(std::string& out, const std::vector<std::string>& texts) {
    out += '[';
    for (const std::string& text : texts) {
        if (&text != texts.data()) out += ',';
        base::append_json_string(out, text);
    }
    out += ']';
}

std::string_view arguments_or_empty(const std::string& arguments) {
    thread_local dom::parser parser;
    dom::element value;
    const bool is_object = !arguments.empty() &&
                           parser.parse(arguments.data(), arguments.size(), true).get(value) == simdjson::SUCCESS &&
                           value.is_object();
    return is_object ? std::string_view(arguments) : "{}";
}

std::string portable_call_id(std::string_view id, std::size_t max_size) {
    if (!id.empty() && id.size() <= max_size && std::ranges::all_of(id, is_id_character)) return std::string(id);
    return "call_" + base::sha256_hex(id).substr(0, 32);
}

UsableTools usable_tools(const models::ModelRequest& request, bool takes_none) {
    std::vector<chat::Tool> called;
    for (const chat::Message& message : request.messages) {
        for (const chat::ContentBlock& block : message.content) {
            const auto* call = std::get_if<chat::ToolCall>(&block);
            if (!call || std::ranges::find(called, call->name, &chat::Tool::name) != called.end()) continue;
            called.push_back({.name = call->name, .description = "Not available any more.", .schema = {}});
        }
    }
    if (request.tools.empty() && called.empty()) return {};
    UsableTools usable{.tools = request.tools, .choice = request.tool_choice};
    if (request.tools.empty()) usable = {.tools = called, .choice = ToolChoice{.kind = ToolChoice::Kind::none}};
    if (takes_none || !usable.choice || usable.choice->kind != ToolChoice::Kind::none) return usable;
    usable.choice.reset();
    if (called.empty()) usable.tools.clear();
    return usable;
}

std::string_view schema_or_any(const chat::Tool& tool) {
    return tool.schema.empty() ? R"({"type":"object"})" : std::string_view(tool.schema);
}

std::string stand_in(const chat::Image& image) {
    return image.url.empty()
               ? fmt::format("[A picture ({}) was here, which this model is not shown.]", image.media_type)
               : fmt::format("[A picture was here, which this model is not shown: {}]", image.url);
}

std::string stand_in(const chat::Document& document) {
    const std::string name = document.name.empty() ? "" : fmt::format(" \"{}\"", document.name);
    return document.url.empty()
               ? fmt::format("[A document{} ({}) was here, which this model is not shown.]", name, document.media_type)
               : fmt::format("[A document{} was here, which this model is not shown: {}]", name, document.url);
}

void CacheMarks::offer(std::size_t number, std::size_t offset) {
    if (number >= stable_messages_) return;
    if (places_.empty() || places_.back().message != number) places_.push_back({.message = number});
    places_.back().offset = offset;
}

void CacheMarks::insert(std::string& body, std::string_view mark) const {
    if (places_.empty()) return;
    body.insert(places_.back().offset, mark);
    const std::size_t last = places_.back().message;
    const auto before = std::ranges::find_if(places_.rbegin(), places_.rend(),
                                             [&](const Place& place) { return place.message + 2 <= last; });
    if (before != places_.rend()) body.insert(before->offset, mark);
}

}  // namespace tertulia::providers
