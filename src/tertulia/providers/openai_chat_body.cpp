// What is sent: the writing half of openai_chat_wire.h.

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>

#include "tertulia/base/json.h"
#include "tertulia/providers/body_writing.h"
#include "tertulia/providers/openai_chat_wire.h"
#include "tertulia/providers/openai_parts.h"

namespace tertulia::providers {
namespace {

// OpenAI's limit for `tool_call_id`.
constexpr std::size_t max_call_id = 40;

std::size_t size_of(const chat::ContentBlock& block) {
    if (const auto* text = std::get_if<chat::Text>(&block)) return 48 + text->text.size();
    if (const auto* call = std::get_if<chat::ToolCall>(&block)) return 128 + call->name.size() + call->arguments.size();
    if (const auto* image = std::get_if<chat::Image>(&block)) return 128 + image->base64.size() + image->url.size();
    if (const auto* document = std::get_if<chat::Document>(&block)) return 128 + document->base64.size();
    return 128;
}

// About the length of the body: its texts, and room for the frame around them and for some escapes.
std::size_t expected_size(const models::ModelRequest& request) {
    std::size_t size = 192 + request.model.size() + request.system.size();
    for (const chat::Message& message : request.messages)
        for (const chat::ContentBlock& block : message.content) size += size_of(block);
    for (const chat::Tool& tool : request.tools) size += 128 + tool.description.size() + tool.schema.size();
    return size + size / 16;
}

class MessageWriter {
  public:
    MessageWriter(std::string& out, const OpenAiServer& server) : out_(out), files_{.has_files = server.has_files} {}

    void text(std::string_view role, std::string_view text) {
        begin(role);
        base::append_json_string(out_, text);
        out_ += '}';
    }

    void message(const chat::Message& message) {
        // Most of them; and a text that was sent as a string is sent as a string for ever (a prompt cache lives of
        // that).
        const auto* only = message.content.size() == 1 ? std::get_if<chat::Text>(&message.content.front()) : nullptr;
        if (only && !only->text.empty())
            text(to_string(message.role), only->text);
        else if (message.role == chat::Role::user)
            user(message);
        else
            assistant(message);
    }

  private:
    void begin(std::string_view role) {
        if (out_.back() != '[') out_ += ',';
        out_ += R"({"role":)";
        base::append_json_string(out_, role);
        out_ += R"(,"content":)";
    }

    // Tools' results are messages of their own, right behind their calls; the user's message comes after all of them.
    void user(const chat::Message& message) {
        OpenAiParts parts(files_);
        for (const chat::ContentBlock& block : message.content) {
            if (const auto* result = std::get_if<chat::ToolResult>(&block)) tool_result(*result, parts);
        }
        for (const chat::ContentBlock& block : message.content) {
            if (const auto* text = std::get_if<chat::Text>(&block)) parts.add(*text);
            if (const auto* image = std::get_if<chat::Image>(&block)) parts.add(*image);
            if (const auto* document = std::get_if<chat::Document>(&block)) parts.add(*document);
        }
        if (parts.empty()) return;
        if (parts.is_only_text()) return text("user", parts.text());
        begin("user");
        out_ += '[';
        for (const OpenAiParts::Part& part : parts.parts())
            std::visit([&](const auto& content) { write(content); }, part);
        out_ += "]}";
    }

    // A `tool` message holds text alone: the rest of the result goes into `rest`, the user's message behind it.
    void tool_result(const chat::ToolResult& result, OpenAiParts& rest) {
        const OpenAiParts parts = parts_of(result, files_);
        begin("tool");
        base::append_json_string(
            out_, parts.is_only_text() || !parts.text().empty() ? parts.text() : "See the next message.");
        out_ += R"(,"tool_call_id":)";
        const std::string id = portable_call_id(result.call_id, max_call_id);
        base::append_json_string(out_, id);
        out_ += '}';
        if (parts.is_only_text()) return;
        rest.add_paragraph(fmt::format("[From the result of the tool call {}:]", id));
        for (const OpenAiParts::Part& part : parts.parts()) {
            if (const auto* image = std::get_if<const chat::Image*>(&part)) rest.add(**image);
            if (const auto* document = std::get_if<const chat::Document*>(&part)) rest.add(**document);
        }
    }

    void assistant(const chat::Message& message) {
        const std::string text = chat::text_of(message.content);
        const bool calls = std::ranges::any_of(
            message.content, [](const auto& block) { return std::holds_alternative<chat::ToolCall>(block); });
        if (text.empty() && !calls) return;
        begin("assistant");
        if (text.empty())
            out_ += "null";
        else
            base::append_json_string(out_, text);
        if (calls) {
            out_ += R"(,"tool_calls":[)";
            for (const chat::ContentBlock& block : message.content)
                if (const auto* call = std::get_if<chat::ToolCall>(&block)) write(*call);
            out_ += ']';
        }
        out_ += '}';
    }

    void next() {
        if (out_.back() != '[') out_ += ',';
    }
    void write(const chat::ToolCall& call) {
        next();
        out_ += R"({"id":)";
        base::append_json_string(out_, portable_call_id(call.id, max_call_id));
        out_ += R"(,"type":"function","function":{"name":)";
        base::append_json_string(out_, call.name);
        out_ += R"(,"arguments":)";
        base::append_json_string(out_, arguments_or_empty(call.arguments));
        out_ += "}}";
    }
    void write(const std::string& text) {
        next();
        out_ += R"({"type":"text","text":)";
        base::append_json_string(out_, text);
        out_ += '}';
    }
    void write(const chat::Image* image) {
        next();
        out_ += R"({"type":"image_url","image_url":{"url":)";
        if (image->base64.empty())
            base::append_json_string(out_, image->url);
        else
            append_data_url(out_, image->media_type, image->base64);
        out_ += "}}";
    }
    void write(const chat::Document* document) {
        next();
        out_ += R"({"type":"file","file":{"filename":)";
        base::append_json_string(out_, file_name(*document));
        out_ += R"(,"file_data":)";
        append_data_url(out_, document->media_type, document->base64);
        out_ += "}}";
    }

    std::string& out_;
    OpenAiParts::Server files_;
};

void append_tools(std::string& out, const models::ModelRequest& request) {
    out += R"(,"tools":[)";
    for (const chat::Tool& tool : request.tools) {
        if (out.back() != '[') out += ',';
        out += R"({"type":"function","function":{"name":)";
        base::append_json_string(out, tool.name);
        if (!tool.description.empty()) {
            append_text_member(out, "description", tool.description);
        }
        if (!tool.schema.empty()) {
            out += R"(,"parameters":)";
            out += openai_schema(tool);
        }
        out += "}}";
    }
    out += ']';
    if (request.tool_choice) append_tool_choice(out, *request.tool_choice, FunctionForm::nested);
}

}  // namespace

std::string build_openai_chat_body(const models::ModelRequest& request, const OpenAiServer& server) {
    std::string out;
    out.reserve(expected_size(request));
    out += R"({"messages":[)";
    MessageWriter writer(out, server);
    if (!request.system.empty()) writer.text("system", request.system);
    for (const chat::Message& message : request.messages) writer.message(message);
    out += R"(],"model":)";
    base::append_json_string(out, request.model);
    if (request.max_tokens > 0)
        fmt::format_to(std::back_inserter(out), R"(,"{}":{})",
                       server.has_max_completion_tokens ? "max_completion_tokens" : "max_tokens", request.max_tokens);
    if (request.temperature) fmt::format_to(std::back_inserter(out), R"(,"temperature":{})", *request.temperature);
    if (!request.stop.empty()) {
        out += R"(,"stop":)";
        append_texts(out, request.stop);
    }
    if (!request.tools.empty()) append_tools(out, request);
    if (server.has_cache_key) append_cache_key(out, request.conversation);
    if (request.stream) {
        out += R"(,"stream":true,"stream_options":{"include_usage":true)";
        if (server.has_obfuscation) out += R"(,"include_obfuscation":false)";
        out += '}';
    }
    return out += '}';
}

}  // namespace tertulia::providers
