#include "tertulia/api/content_json.h"

#include <boost/json/value.hpp>

#include "tertulia/api/json_text.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

class BlockWriter {
  public:
    explicit BlockWriter(std::string& out) : out_(out) {}

    void operator()(const chat::Text& block) {
        begin("text");
        member("text", block.text);
    }
    void operator()(const chat::Thinking& block) {
        begin("thinking");
        member("thinking", block.text);
    }
    void operator()(const chat::ToolCall& block) {
        begin("tool_use");
        member("id", block.id);
        member("name", block.name);
        const auto input = base::parse_json(block.arguments);
        if (!input || !input->is_object()) return member("input", block.arguments);
        out_ += R"(,"input":)";
        append_compact_json(out_, block.arguments);
    }
    void operator()(const chat::Native& block) {
        begin("opaque");
        member("maker", block.maker);
    }
    void operator()(const chat::Image& block) {
        begin("image");
        source(block);
    }
    void operator()(const chat::Document& block) {
        begin("document");
        source(block);
        if (!block.name.empty()) member("name", block.name);
    }
    void operator()(const chat::ToolResult& block) {
        begin("tool_result");
        member("tool_use_id", block.call_id);
        out_ += R"(,"content":)";
        append_list(block.content);
        if (block.is_error) out_ += R"(,"is_error":true)";
    }

    void append_list(const auto& blocks) {
        out_ += '[';
        for (const auto& block : blocks) {
            if (&block != blocks.data()) out_ += ',';
            out_ += '{';
            std::visit(*this, block);
            out_ += '}';
        }
        out_ += ']';
    }

  private:
    void begin(std::string_view type) {
        base::append_json_name(out_, "type");
        base::append_json_string(out_, type);
    }
    void member(std::string_view name, std::string_view value) {
        out_ += ',';
        base::append_json_name(out_, name);
        base::append_json_string(out_, value);
    }
    void source(const auto& block) {
        out_ += R"(,"source":{)";
        if (block.url.empty()) {
            begin("base64");
            member("media_type", block.media_type);
            member("data", block.base64);
        } else {
            begin("url");
            member("url", block.url);
        }
        out_ += '}';
    }

    std::string& out_;
};

}  // namespace

void append_blocks(std::string& out, const std::vector<chat::ContentBlock>& blocks) {
    BlockWriter(out).append_list(blocks);
}

}  // namespace tertulia::api
