// What is sent: the writing half of bedrock_converse_wire.h.

#include <fmt/format.h>

#include <optional>
#include <variant>

#include "tertulia/base/json.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_files.h"
#include "tertulia/providers/bedrock_model.h"
#include "tertulia/providers/body_writing.h"

namespace tertulia::providers {
namespace {

using chat::ToolChoice;

constexpr std::string_view cache_point = R"(,{"cachePoint":{"type":"default"}})";

// Writes the blocks of one message's content, or of a tool's result.
class BlockWriter {
  public:
    struct Conversation {
        BedrockFamily family;
        BedrockDocumentNames names;
    };

    BlockWriter(std::string& out, Conversation& conversation, chat::Role role, bool is_first = true)
        : out_(out), conversation_(conversation), role_(role), is_first_(is_first) {}

    void operator()(const chat::Text& block) {
        if (is_white_space(block.text)) return;
        has_text_ = true;
        begin();
        out_ += R"({"text":)";
        base::append_json_string(out_, block.text);
        out_ += '}';
        end_markable();
    }
    void operator()(const chat::Thinking& block) {
        const bool is_own = block.maker == bedrock_converse_kind && conversation_.family == BedrockFamily::claude;
        if (is_users() || !is_own || block.signature.empty()) return;
        begin();
        out_ += R"({"reasoningContent":{"reasoningText":{"text":)";
        base::append_json_string(out_, block.text);
        append_text_member(out_, "signature", block.signature);
        out_ += "}}}";
    }
    void operator()(const chat::Native& block) {
        // Redacted reasoning is Claude's; server tools are Nova's.
        const BedrockFamily maker =
            block.json.starts_with(R"({"reasoningContent")") ? BedrockFamily::claude : BedrockFamily::nova;
        if (is_users() || block.maker != bedrock_converse_kind || conversation_.family != maker) return;
        begin();
        out_ += block.json;
    }
    void operator()(const chat::ToolCall& block) {
        if (is_users()) return;
        begin();
        out_ += R"({"toolUse":{"toolUseId":)";
        base::append_json_string(out_, portable_call_id(block.id));
        append_text_member(out_, "name", block.name);
        out_ += R"(,"input":)";
        out_ += arguments_or_empty(block.arguments);
        out_ += "}}";
        end_markable();
    }
    void operator()(const chat::Image& block) {
        if (!is_users()) return;
        const std::string_view format = bedrock_image_format(block.media_type);
        if (!block.url.empty() || format.empty()) return (*this)(chat::Text{stand_in(block)});
        begin();
        out_ += R"({"image":{)";
        append_source(format, block.base64);
        out_ += "}}";
        end_part();
    }
    void operator()(const chat::Document& block) {
        if (!is_users()) return;
        const std::string_view format = bedrock_document_format(block.media_type);
        if (!block.url.empty() || format.empty()) return (*this)(chat::Text{stand_in(block)});
        has_document_ = true;
        begin();
        out_ += R"({"document":{"name":)";
        base::append_json_string(out_, conversation_.names.next(block.name));
        out_ += ',';
        append_source(format, block.base64);
        out_ += "}}";
        end_part();
    }
    void operator()(const chat::ToolResult& block) {
        if (!is_users()) return;
        begin();
        out_ += R"({"toolResult":{"toolUseId":)";
        base::append_json_string(out_, portable_call_id(block.call_id));
        std::string content;
        BlockWriter parts(content, conversation_, role_);
        for (const auto& part : block.content) std::visit(parts, part);
        if (content.empty()) parts(chat::Text{"(nothing)"});
        out_ += R"(,"content":[)" + content + "]";
        if (block.is_error && conversation_.family != BedrockFamily::other) out_ += R"(,"status":"error")";
        out_ += "}}";
        end_markable();
    }

    /// The API wants a text beside a document.
    void finish() {
        if (has_document_ && !has_text_) (*this)(chat::Text{"(see the document)"});
    }
    /// Behind the last block that a cache point may follow; nothing where there is none.
    std::optional<std::size_t> place_of_mark() const { return place_; }

  private:
    bool is_users() const { return role_ == chat::Role::user; }
    void begin() {
        if (!is_first_) out_ += ',';
        is_first_ = false;
    }
    void end_markable() { place_ = out_.size(); }
    // Nova caches text only.
    void end_part() {
        if (conversation_.family == BedrockFamily::claude) end_markable();
    }
    void append_source(std::string_view format, std::string_view base64) {
        base::append_json_name(out_, "format");
        base::append_json_string(out_, format);
        out_ += R"(,"source":{"bytes":)";
        base::append_json_string(out_, base64);
        out_ += '}';
    }

    std::string& out_;
    Conversation& conversation_;
    chat::Role role_;
    bool is_first_;
    bool has_text_ = false;
    bool has_document_ = false;
    std::optional<std::size_t> place_;
};

void append_tool_config(std::string& out, const UsableTools& usable, bool has_cache_point) {
    out += R"("toolConfig":{"tools":[)";
    for (const chat::Tool& tool : usable.tools) {
        if (&tool != usable.tools.data()) out += ',';
        out += R"({"toolSpec":{"name":)";
        base::append_json_string(out, tool.name);
        if (!is_white_space(tool.description)) append_text_member(out, "description", tool.description);
        out += R"(,"inputSchema":{"json":)";
        out += schema_or_any(tool);
        out += "}}}";
    }
    if (has_cache_point) out += cache_point;
    out += ']';
    if (usable.choice) {
        switch (usable.choice->kind) {
            case ToolChoice::Kind::automatic:
            case ToolChoice::Kind::none:  // never: the API has no such choice
                out += R"(,"toolChoice":{"auto":{}})";
                break;
            case ToolChoice::Kind::any:
                out += R"(,"toolChoice":{"any":{}})";
                break;
            case ToolChoice::Kind::named:
                out += R"(,"toolChoice":{"tool":{"name":)";
                base::append_json_string(out, usable.choice->name);
                out += "}}";
                break;
        }
    }
    out += "},";
}

void append_messages(std::string& out, const models::ModelRequest& request) {
    CacheMarks marks(bedrock_takes_cache_points(request.model) ? request.stable_messages : 0);
    BlockWriter::Conversation conversation{.family = bedrock_family(request.model), .names = {}};
    std::optional<chat::Role> last_role;
    out += R"("messages":[)";
    for (std::size_t i = 0; i < request.messages.size(); ++i) {
        const chat::Message& message = request.messages[i];
        // Where a message had nothing that may be sent, two of one role are neighbours, which the API refuses.
        const bool is_joined = last_role == message.role;
        const std::size_t begin = out.size();
        if (is_joined)
            out.resize(begin - 2);
        else
            out += fmt::format(R"({}{{"role":"{}","content":[)", last_role ? "," : "", to_string(message.role));
        const std::size_t content = out.size();
        BlockWriter writer(out, conversation, message.role, !is_joined);
        // The results of calls come first: models want them right behind the calls.
        for (const bool results : {true, false})
            for (const chat::ContentBlock& block : message.content)
                if (std::holds_alternative<chat::ToolResult>(block) == results) std::visit(writer, block);
        writer.finish();
        const bool is_empty = out.size() == content;
        if (is_empty && !is_joined) {
            out.resize(begin);
            continue;
        }
        out += "]}";
        if (is_empty) continue;
        last_role = message.role;
        if (const auto place = writer.place_of_mark()) marks.offer(i, *place);
    }
    out += ']';
    marks.insert(out, cache_point);
}

void append_inference_config(std::string& out, const models::ModelRequest& request) {
    std::string members;
    const auto begin = [&](std::string_view name) {
        if (!members.empty()) members += ',';
        base::append_json_name(members, name);
    };
    if (request.max_tokens > 0) {
        begin("maxTokens");
        members += fmt::format("{}", request.max_tokens);
    }
    if (request.temperature) {
        begin("temperature");
        members += fmt::format("{}", *request.temperature);
    }
    if (!request.stop.empty()) {
        begin("stopSequences");
        append_texts(members, request.stop);
    }
    if (!members.empty()) out += R"(,"inferenceConfig":{)" + members + "}";
}

}  // namespace

std::string bedrock_converse_path(const models::ModelRequest& request) {
    return bedrock_path(request.model, request.stream ? "converse-stream" : "converse");
}

std::string build_bedrock_converse_body(const models::ModelRequest& request) {
    const bool has_cache_points = bedrock_takes_cache_points(request.model);
    const UsableTools usable = usable_tools(request, false);
    std::string out = "{";
    if (!usable.tools.empty())
        append_tool_config(out, usable, has_cache_points && bedrock_family(request.model) == BedrockFamily::claude);
    if (!is_white_space(request.system)) {
        out += R"("system":[{"text":)";
        base::append_json_string(out, request.system);
        out += '}';
        if (has_cache_points) out += cache_point;
        out += "],";
    }
    append_messages(out, request);
    append_inference_config(out, request);
    return out += '}';
}

}  // namespace tertulia::providers
