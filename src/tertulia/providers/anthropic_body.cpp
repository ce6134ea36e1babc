#include "tertulia/providers/anthropic_body.h"

#include <fmt/format.h>

#include <optional>
#include <variant>

#include "tertulia/base/base64.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"
#include "tertulia/providers/body_writing.h"

namespace tertulia::providers {
namespace {

using chat::ToolChoice;

constexpr std::string_view cache_mark = R"(,"cache_control":{"type":"ephemeral"})";

void append_text_block(std::string& out, std::string_view text) {
    out += R"({"type":"text")";
    append_text_member(out, "text", text);
    out += '}';
}

// Writes the blocks of one message's content, or of a tool's result.
class BlockWriter {
  public:
    BlockWriter(std::string& out, const AnthropicForm& form, chat::Role role) : out_(out), form_(form), role_(role) {}

    void operator()(const chat::Text& block) {
        if (is_white_space(block.text)) return;
        begin();
        append_text_block(out_, block.text);
        end_markable();
    }
    void operator()(const chat::Thinking& block) {
        if (is_users() || block.maker != form_.maker || block.signature.empty()) return;
        begin();
        out_ += R"({"type":"thinking")";
        append_text_member(out_, "thinking", block.text);
        append_text_member(out_, "signature", block.signature);
        out_ += '}';
    }
    void operator()(const chat::Native& block) {
        if (is_users() || block.maker != form_.maker) return;
        begin();
        out_ += block.json;
    }
    void operator()(const chat::ToolCall& block) {
        if (is_users()) return;
        begin();
        out_ += R"({"type":"tool_use")";
        append_text_member(out_, "id", portable_call_id(block.id));
        append_text_member(out_, "name", block.name);
        out_ += R"(,"input":)";
        out_ += arguments_or_empty(block.arguments);
        out_ += '}';
        end_markable();
    }
    void operator()(const chat::Image& block) {
        if (!is_users()) return;
        if (!block.url.empty() && !form_.takes_urls) return (*this)(chat::Text{stand_in(block)});
        begin();
        out_ += R"({"type":"image")";
        append_source(block.media_type, block.base64, block.url);
        out_ += '}';
        end_markable();
    }
    void operator()(const chat::Document& block) {
        if (!is_users()) return;
        const std::optional<std::string> text = plain_text(block);
        const bool is_sendable = block.url.empty() ? text || block.media_type == "application/pdf" : form_.takes_urls;
        if (!is_sendable || (text && is_white_space(*text))) return (*this)(chat::Text{stand_in(block)});
        begin();
        out_ += R"({"type":"document")";
        if (text) {
            out_ += R"(,"source":{"type":"text","media_type":"text/plain")";
            append_text_member(out_, "data", *text);
            out_ += '}';
        } else {
            append_source(block.media_type, block.base64, block.url);
        }
        if (!is_white_space(block.name)) append_text_member(out_, "title", block.name);
        out_ += '}';
        end_markable();
    }
    void operator()(const chat::ToolResult& block) {
        if (!is_users()) return;
        begin();
        out_ += R"({"type":"tool_result")";
        append_text_member(out_, "tool_use_id", portable_call_id(block.call_id));
        std::string content;
        BlockWriter parts(content, form_, role_);
        for (const auto& part : block.content) std::visit(parts, part);
        if (!content.empty()) out_ += R"(,"content":[)" + content + "]";
        if (block.is_error) out_ += R"(,"is_error":true)";
        out_ += '}';
        end_markable();
    }

    /// Where the last block ends that may carry a mark; nothing where there is none.
    std::optional<std::size_t> place_of_mark() const { return place_; }

  private:
    bool is_users() const { return role_ == chat::Role::user; }
    void begin() {
        if (!is_first_) out_ += ',';
        is_first_ = false;
    }
    void end_markable() { place_ = out_.size() - 1; }

    void append_source(std::string_view media_type, std::string_view base64, std::string_view url) {
        if (url.empty()) {
            out_ += R"(,"source":{"type":"base64")";
            append_text_member(out_, "media_type", media_type);
            append_text_member(out_, "data", base64);
        } else {
            out_ += R"(,"source":{"type":"url")";
            append_text_member(out_, "url", url);
        }
        out_ += '}';
    }
    // The API takes no text in base64.
    static std::optional<std::string> plain_text(const chat::Document& block) {
        if (!block.url.empty() || !block.media_type.starts_with("text/")) return std::nullopt;
        const std::optional<std::string> bytes = base::decode_base64(block.base64);
        return bytes ? std::optional(base::valid_utf8(*bytes)) : std::nullopt;
    }

    std::string& out_;
    const AnthropicForm& form_;
    chat::Role role_;
    bool is_first_ = true;
    std::optional<std::size_t> place_;
};

void append_tools(std::string& out, const std::vector<chat::Tool>& tools, const AnthropicForm& form) {
    out += R"("tools":[)";
    for (const chat::Tool& tool : tools) {
        if (&tool != tools.data()) out += ',';
        out += R"({"name":)";
        base::append_json_string(out, tool.name);
        if (!is_white_space(tool.description)) append_text_member(out, "description", tool.description);
        out += R"(,"input_schema":)";
        out += schema_or_any(tool);
        if (&tool == &tools.back() && form.takes_cache_marks) out += cache_mark;
        out += '}';
    }
    out += "],";
}

void append_tool_choice(std::string& out, const ToolChoice& choice) {
    switch (choice.kind) {
        case ToolChoice::Kind::automatic:
            out += R"(,"tool_choice":{"type":"auto"})";
            break;
        case ToolChoice::Kind::any:
            out += R"(,"tool_choice":{"type":"any"})";
            break;
        case ToolChoice::Kind::none:
            out += R"(,"tool_choice":{"type":"none"})";
            break;
        case ToolChoice::Kind::named:
            out += R"(,"tool_choice":{"type":"tool")";
            append_text_member(out, "name", choice.name);
            out += '}';
            break;
    }
}

void append_messages(std::string& out, const models::ModelRequest& request, const AnthropicForm& form) {
    CacheMarks marks(form.takes_cache_marks ? request.stable_messages : 0);
    out += R"("messages":[)";
    bool is_first = true;
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        const chat::Message& message = request.messages[i];
        const std::size_t begin = out.size();
        if (!is_first) out += ',';
        out += R"({"role":)";
        base::append_json_string(out, to_string(message.role));
        out += R"(,"content":[)";
        const std::size_t content = out.size();
        BlockWriter writer(out, form, message.role);
        // The results of calls come first: the API wants them right behind the calls.
        for (const bool results : {true, false})
            for (const chat::ContentBlock& block : message.content)
                if (std::holds_alternative<chat::ToolResult>(block) == results) std::visit(writer, block);
        if (out.size() == content) {  // an empty message is refused
            out.resize(begin);
            continue;
        }
        out += "]}";
        is_first = false;
        if (const auto place = writer.place_of_mark()) marks.offer(i, *place);
    }
    out += ']';
    marks.insert(out, cache_mark);
}

}  // namespace

void append_anthropic_members(std::string& out, const models::ModelRequest& request, const AnthropicForm& form) {
    const UsableTools usable = usable_tools(request, form.takes_no_choice);
    if (!usable.tools.empty()) append_tools(out, usable.tools, form);
    if (!is_white_space(request.system)) {
        out += R"("system":[{"type":"text")";
        append_text_member(out, "text", request.system);
        if (form.takes_cache_marks) out += cache_mark;
        out += "}],";
    }
    append_messages(out, request, form);
    if (usable.choice) append_tool_choice(out, *usable.choice);
    out += fmt::format(R"(,"max_tokens":{})", request.max_tokens > 0 ? request.max_tokens : 4096);
    if (request.temperature && form.takes_temperature) out += fmt::format(R"(,"temperature":{})", *request.temperature);
    if (!request.stop.empty()) {
        out += R"(,"stop_sequences":)";
        append_texts(out, request.stop);
    }
}

}  // namespace tertulia::providers
