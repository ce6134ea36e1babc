#include "tertulia/providers/openai_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tertulia/base/base64.h"
#include "tertulia/base/crypto.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/providers/body_writing.h"
#include "tertulia/providers/json_reading.h"

namespace tertulia::providers {
namespace {

// What can be read as it is.
bool is_text(std::string_view media_type) {
    constexpr std::array<std::string_view, 6> others = {"application/json",       "application/xml",
                                                        "application/yaml",       "application/x-yaml",
                                                        "application/javascript", "application/sql"};
    media_type = media_type.substr(0, media_type.find(';'));
    return media_type.starts_with("text/") || media_type.ends_with("+json") || media_type.ends_with("+xml") ||
           std::ranges::find(others, media_type) != others.end();
}

// Of the object itself, not of one within it.
bool has_properties(std::string_view schema) {
    thread_local dom::parser parser;
    dom::object object;
    return parser.parse(schema.data(), schema.size(), true).get(object) != simdjson::SUCCESS ||
           object.at_key("properties").error() == simdjson::SUCCESS;
}

bool is_file(const chat::Document& document) {
    return !document.base64.empty() && !is_text(document.media_type);
}

}  // namespace

bool holds_files(const std::vector<chat::Message>& messages) {
    const auto in_result = [](const auto& part) {
        const auto* document = std::get_if<chat::Document>(&part);
        return document && is_file(*document);
    };
    const auto in_block = [&](const chat::ContentBlock& block) {
        if (const auto* result = std::get_if<chat::ToolResult>(&block))
            return std::ranges::any_of(result->content, in_result);
        const auto* document = std::get_if<chat::Document>(&block);
        return document && is_file(*document);
    };
    return std::ranges::any_of(
        messages, [&](const chat::Message& message) { return std::ranges::any_of(message.content, in_block); });
}

void OpenAiParts::add(const chat::Text& text) {
    if (text.text.empty()) return;
    std::string* last = parts_.empty() ? nullptr : std::get_if<std::string>(&parts_.back());
    if (!last) {
        parts_.emplace_back(text.text);
    } else {
        if (ends_paragraph_) *last += "\n\n";
        *last += text.text;
    }
    ends_paragraph_ = false;
}

void OpenAiParts::add_paragraph(std::string_view text) {
    ends_paragraph_ = true;
    add(chat::Text{std::string(text)});
    ends_paragraph_ = true;
}

void OpenAiParts::add(const chat::Document& document) {
    if (is_text(document.media_type) && !document.base64.empty()) {
        if (const auto bytes = base::decode_base64(document.base64)) {
            const std::string name = document.name.empty() ? "" : fmt::format(" \"{}\"", document.name);
            add_paragraph(fmt::format("[Document{} ({})]\n{}", name, document.media_type, base::valid_utf8(*bytes)));
            return;
        }
    }
    if (document.base64.empty() ? server_.has_file_urls : server_.has_files)
        parts_.emplace_back(&document);
    else
        add_paragraph(stand_in(document));
}

std::string OpenAiParts::text() const {
    std::string text;
    for (const Part& part : parts_)
        if (const auto* piece = std::get_if<std::string>(&part)) {
            if (!text.empty()) text += "\n\n";
            text += *piece;
        }
    return text;
}

OpenAiParts parts_of(const chat::ToolResult& result, OpenAiParts::Server server) {
    OpenAiParts parts(server);
    // The dialects have no member for it.
    if (result.is_error) parts.add(chat::Text{"Error: "});
    for (const auto& part : result.content) std::visit([&](const auto& block) { parts.add(block); }, part);
    return parts;
}

void append_data_url(std::string& out, std::string_view media_type, std::string_view base64) {
    std::string url;
    url.reserve(media_type.size() + base64.size() + 16);
    url += "data:";
    url += media_type;
    url += ";base64,";
    url += base64;
    base::append_json_string(out, url);
}

std::string file_name(const chat::Document& document) {
    if (!document.name.empty()) return document.name;
    return document.media_type == "application/pdf" ? "document.pdf" : "document";
}

std::string openai_schema(const chat::Tool& tool) {
    std::string schema(schema_or_any(tool));
    if (has_properties(schema)) return schema;
    const std::size_t end = schema.rfind('}');
    const std::size_t last = schema.find_last_not_of(" \t\r\n", end - 1);
    if (end == std::string::npos || last == std::string::npos) return schema;
    return schema.insert(last + 1, schema[last] == '{' ? R"("type":"object","properties":{})" : R"(,"properties":{})");
}

void append_tool_choice(std::string& out, const chat::ToolChoice& choice, FunctionForm form) {
    out += R"(,"tool_choice":)";
    switch (choice.kind) {
        case chat::ToolChoice::Kind::automatic:
            out += R"("auto")";
            break;
        case chat::ToolChoice::Kind::any:
            out += R"("required")";
            break;
        case chat::ToolChoice::Kind::none:
            out += R"("none")";
            break;
        case chat::ToolChoice::Kind::named:
            out += form == FunctionForm::nested ? R"({"type":"function","function":{"name":)"
                                                : R"({"type":"function","name":)";
            base::append_json_string(out, choice.name);
            out += form == FunctionForm::nested ? "}}" : "}";
            break;
    }
}

void append_cache_key(std::string& out, std::string_view conversation) {
    constexpr std::size_t length = 32;
    if (!conversation.empty())
        append_text_member(out, "prompt_cache_key", base::sha256_hex(conversation).substr(0, length));
}

}  // namespace tertulia::providers
