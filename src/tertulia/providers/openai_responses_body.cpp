// What is sent: the writing half of openai_responses_wire.h.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <variant>

#include "tertulia/base/json.h"
#include "tertulia/providers/body_writing.h"
#include "tertulia/providers/openai_parts.h"
#include "tertulia/providers/openai_responses_wire.h"

namespace tertulia::providers {
namespace {

// The API's least.
constexpr std::int64_t min_output_tokens = 16;

const chat::Native* own_native(const chat::ContentBlock& block) {
    const auto* native = std::get_if<chat::Native>(&block);
    return native && native->maker == openai_responses_kind ? native : nullptr;
}

// A kept item has no white space, and quotes in its texts are escaped: this is its own type.
bool is_reasoning(const chat::Native& item) {
    return item.json.find(R"("type":"reasoning")") != std::string::npos;
}

class InputWriter {
  public:
    InputWriter(std::string& out, std::string_view model, bool with_native)
        : out_(out), reasons_(openai_model_reasons(model)), with_native_(with_native) {}

    void message(const chat::Message& message) {
        if (message.role == chat::Role::user)
            user(message);
        else
            assistant(message);
    }

  private:
    static constexpr OpenAiParts::Server files{.has_files = true, .has_file_urls = true};

    void next() {
        if (out_.back() != '[') out_ += ',';
    }
    void text_message(std::string_view role, std::string_view text) {
        next();
        out_ += R"({"role":)";
        base::append_json_string(out_, role);
        out_ += R"(,"content":)";
        base::append_json_string(out_, text);
        out_ += '}';
    }
    void content(const OpenAiParts& parts) {
        if (parts.is_only_text()) return base::append_json_string(out_, parts.text());
        out_ += '[';
        for (const OpenAiParts::Part& part : parts.parts()) std::visit([&](const auto& value) { write(value); }, part);
        out_ += ']';
    }

    // Results come right behind their calls; the user's message comes after all of them.
    void user(const chat::Message& message) {
        OpenAiParts parts(files);
        for (const chat::ContentBlock& block : message.content) {
            if (const auto* result = std::get_if<chat::ToolResult>(&block)) tool_result(*result);
            if (const auto* text = std::get_if<chat::Text>(&block)) parts.add(*text);
            if (const auto* image = std::get_if<chat::Image>(&block)) parts.add(*image);
            if (const auto* document = std::get_if<chat::Document>(&block)) parts.add(*document);
        }
        if (parts.empty()) return;
        next();
        out_ += R"({"role":"user","content":)";
        content(parts);
        out_ += '}';
    }

    void tool_result(const chat::ToolResult& result) {
        next();
        out_ += R"({"type":"function_call_output","call_id":)";
        base::append_json_string(out_, portable_call_id(result.call_id));
        out_ += R"(,"output":)";
        content(parts_of(result, files));
        out_ += '}';
    }

    void assistant(const chat::Message& message) {
        std::string text;
        std::string reasoning;  // held back until something follows it: alone it is refused
        const auto flush = [&] {
            if (text.empty()) return;
            release(reasoning);
            text_message("assistant", text);
            text.clear();
        };
        for (const chat::ContentBlock& block : message.content) {
            if (const auto* piece = std::get_if<chat::Text>(&block)) {
                text += piece->text;
            } else if (const auto* call = std::get_if<chat::ToolCall>(&block)) {
                flush();
                release(reasoning);
                write(*call);
            } else if (const auto* native = own_native(block); native && with_native_) {
                flush();
                if (!is_reasoning(*native)) {
                    release(reasoning);
                    next();
                    out_ += native->json;
                } else if (reasons_) {
                    if (!reasoning.empty()) reasoning += ',';
                    reasoning += native->json;
                }
            }
        }
        flush();
    }
    void release(std::string& reasoning) {
        if (reasoning.empty()) return;
        next();
        out_ += reasoning;
        reasoning.clear();
    }

    void write(const chat::ToolCall& call) {
        next();
        out_ += R"({"type":"function_call","call_id":)";
        base::append_json_string(out_, portable_call_id(call.id));
        out_ += R"(,"name":)";
        base::append_json_string(out_, call.name);
        out_ += R"(,"arguments":)";
        base::append_json_string(out_, arguments_or_empty(call.arguments));
        out_ += '}';
    }
    void write(const std::string& text) {
        next();
        out_ += R"({"type":"input_text","text":)";
        base::append_json_string(out_, text);
        out_ += '}';
    }
    void write(const chat::Image* image) {
        next();
        out_ += R"({"type":"input_image","detail":"auto","image_url":)";
        if (image->base64.empty())
            base::append_json_string(out_, image->url);
        else
            append_data_url(out_, image->media_type, image->base64);
        out_ += '}';
    }
    void write(const chat::Document* document) {
        next();
        out_ += R"({"type":"input_file",)";
        if (document->base64.empty()) {
            out_ += R"("file_url":)";
            base::append_json_string(out_, document->url);
        } else {
            out_ += R"("filename":)";
            base::append_json_string(out_, file_name(*document));
            out_ += R"(,"file_data":)";
            append_data_url(out_, document->media_type, document->base64);
        }
        out_ += '}';
    }

    std::string& out_;
    bool reasons_;
    bool with_native_;
};

void append_tools(std::string& out, const models::ModelRequest& request) {
    out += R"(,"tools":[)";
    for (const chat::Tool& tool : request.tools) {
        if (out.back() != '[') out += ',';
        out += R"({"type":"function","name":)";
        base::append_json_string(out, tool.name);
        if (!tool.description.empty()) {
            append_text_member(out, "description", tool.description);
        }
        out += R"(,"parameters":)";
        out += openai_schema(tool);
        out += R"(,"strict":false})";  // unsaid, the API takes some schemas in its strict manner, which changes them
    }
    out += ']';
    if (request.tool_choice) append_tool_choice(out, *request.tool_choice, FunctionForm::flat);
}

}  // namespace

bool openai_model_reasons(std::string_view model) {
    constexpr std::array<std::string_view, 5> others = {"gpt-3", "gpt-4", "chatgpt", "gpt-5-chat", "-chat-latest"};
    return std::ranges::none_of(others, [&](std::string_view part) { return model.find(part) != model.npos; });
}

bool replays_native(const models::ModelRequest& request) {
    return std::ranges::any_of(request.messages, [](const chat::Message& message) {
        return std::ranges::any_of(message.content,
                                   [](const chat::ContentBlock& block) { return own_native(block) != nullptr; });
    });
}

std::string build_openai_responses_body(const models::ModelRequest& request, const OpenAiServer& server,
                                        bool with_native) {
    std::string out = R"({"input":[)";
    InputWriter writer(out, request.model, with_native);
    for (const chat::Message& message : request.messages) writer.message(message);
    out += R"(],"model":)";
    base::append_json_string(out, request.model);
    if (!request.system.empty()) {
        out += R"(,"instructions":)";
        base::append_json_string(out, request.system);
    }
    out += R"(,"store":false)";
    if (openai_model_reasons(request.model)) out += R"(,"include":["reasoning.encrypted_content"])";
    if (request.max_tokens > 0)
        fmt::format_to(std::back_inserter(out), R"(,"max_output_tokens":{})",
                       std::max(request.max_tokens, min_output_tokens));
    if (request.temperature) fmt::format_to(std::back_inserter(out), R"(,"temperature":{})", *request.temperature);
    if (!request.tools.empty()) append_tools(out, request);
    append_cache_key(out, request.conversation);
    if (request.stream) {
        out += R"(,"stream":true)";
        if (server.has_obfuscation) out += R"(,"stream_options":{"include_obfuscation":false})";
    }
    return out += '}';
}

}  // namespace tertulia::providers
