#include "tertulia/chat/content.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "tertulia/base/json.h"

namespace tertulia::chat {
namespace {

namespace json = boost::json;

// One block, as {"type": ..., ...}. Arguments and native blocks are kept as strings: a cut call's arguments are not
// JSON, and a string comes back byte for byte.
class BlockWriter {
  public:
    explicit BlockWriter(std::string& out) : out_(out) {}

    void operator()(const Text& block) {
        begin("text");
        member("text", block.text);
    }
    void operator()(const Thinking& block) {
        begin("thinking");
        member("thinking", block.text);
        member("signature", block.signature);
        member("maker", block.maker);
    }
    void operator()(const ToolCall& block) {
        begin("tool_call");
        member("id", block.id);
        member("name", block.name);
        member("arguments", block.arguments);
    }
    void operator()(const Native& block) {
        begin("native");
        member("json", block.json);
        member("maker", block.maker);
    }
    void operator()(const Image& block) {
        begin("image");
        member("media_type", block.media_type);
        member("base64", block.base64);
        member("url", block.url);
    }
    void operator()(const Document& block) {
        begin("document");
        member("media_type", block.media_type);
        member("base64", block.base64);
        member("url", block.url);
        member("name", block.name);
    }
    void operator()(const ToolResult& block) {
        begin("tool_result");
        member("call_id", block.call_id);
        out_ += block.is_error ? R"(,"is_error":true,"content":[)" : R"(,"is_error":false,"content":[)";
        for (const auto& part : block.content) {
            if (&part != block.content.data()) out_ += ',';
            out_ += '{';
            std::visit(*this, part);
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

    std::string& out_;
};

// The members of one block; `whole` turns false when one is missing or no string.
class BlockReader {
  public:
    explicit BlockReader(const json::object& object) : object_(object) {}

    std::string member(std::string_view name) {
        const json::value* value = object_.if_contains(name);
        const json::string* text = value ? value->if_string() : nullptr;
        if (!text) {
            whole_ = false;
            return {};
        }
        return std::string(text->data(), text->size());
    }
    bool whole() const { return whole_; }

  private:
    const json::object& object_;
    bool whole_ = true;
};

void read_blocks(const json::value* list, std::vector<ContentBlock>& into);

Image read_image(BlockReader& reader) {
    return {.media_type = reader.member("media_type"), .base64 = reader.member("base64"), .url = reader.member("url")};
}

Document read_document(BlockReader& reader) {
    return {.media_type = reader.member("media_type"),
            .base64 = reader.member("base64"),
            .url = reader.member("url"),
            .name = reader.member("name")};
}

ToolResult read_tool_result(const json::object& object, BlockReader& reader) {
    ToolResult result{.call_id = reader.member("call_id"), .content = {}};
    if (const json::value* failed = object.if_contains("is_error"); failed && failed->is_bool())
        result.is_error = failed->get_bool();
    std::vector<ContentBlock> parts;
    read_blocks(object.if_contains("content"), parts);
    for (ContentBlock& part : parts) {
        if (auto* text = std::get_if<Text>(&part)) result.content.emplace_back(std::move(*text));
        if (auto* image = std::get_if<Image>(&part)) result.content.emplace_back(std::move(*image));
        if (auto* document = std::get_if<Document>(&part)) result.content.emplace_back(std::move(*document));
    }
    return result;
}

void read_block(const json::object& object, std::vector<ContentBlock>& into) {
    BlockReader reader(object);
    const std::string type = reader.member("type");
    ContentBlock block;
    if (type == "text")
        block = Text{.text = reader.member("text")};
    else if (type == "thinking")
        block = Thinking{.text = reader.member("thinking"),
                         .signature = reader.member("signature"),
                         .maker = reader.member("maker")};
    else if (type == "tool_call")
        block =
            ToolCall{.id = reader.member("id"), .name = reader.member("name"), .arguments = reader.member("arguments")};
    else if (type == "native")
        block = Native{.json = reader.member("json"), .maker = reader.member("maker")};
    else if (type == "image")
        block = read_image(reader);
    else if (type == "document")
        block = read_document(reader);
    else if (type == "tool_result")
        block = read_tool_result(object, reader);
    else
        return;
    if (reader.whole()) into.push_back(std::move(block));
}

void read_blocks(const json::value* list, std::vector<ContentBlock>& into) {
    const json::array* array = list ? list->if_array() : nullptr;
    if (!array) return;
    for (const json::value& item : *array)
        if (const json::object* object = item.if_object()) read_block(*object, into);
}

// -- sizes -----------------------------------------------------------------------------------------------------------

std::size_t size_of(const Text& block) {
    return block.text.size();
}
std::size_t size_of(const Thinking& block) {
    return block.text.size() + block.signature.size();
}
std::size_t size_of(const ToolCall& block) {
    return block.id.size() + block.name.size() + block.arguments.size();
}
std::size_t size_of(const Native& block) {
    return block.json.size();
}
std::size_t size_of(const Image& block) {
    return block.base64.size() + block.url.size();
}
std::size_t size_of(const Document& block) {
    return block.base64.size() + block.url.size() + block.name.size();
}
std::size_t size_of(const ToolResult& block) {
    std::size_t bytes = block.call_id.size();
    for (const auto& part : block.content) std::visit([&](const auto& kind) { bytes += size_of(kind); }, part);
    return bytes;
}

}  // namespace

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

std::string text_of(const std::vector<ContentBlock>& blocks) {
    std::string text;
    for (const ContentBlock& block : blocks)
        if (const Text* part = std::get_if<Text>(&block)) text += part->text;
    return text;
}

bool is_plain_text(const std::vector<ContentBlock>& blocks) {
    return blocks.size() == 1 && std::holds_alternative<Text>(blocks.front());
}

std::size_t byte_size(const std::vector<ContentBlock>& blocks) {
    std::size_t bytes = 0;
    for (const ContentBlock& block : blocks) {
        bytes += sizeof(ContentBlock);
        std::visit([&](const auto& kind) { bytes += size_of(kind); }, block);
    }
    return bytes;
}

std::string blocks_to_json(const std::vector<ContentBlock>& blocks) {
    std::string out = "[";
    for (const ContentBlock& block : blocks) {
        if (out.size() > 1) out += ',';
        out += '{';
        std::visit(BlockWriter(out), block);
        out += '}';
    }
    return out += ']';
}

std::vector<ContentBlock> blocks_from_json(std::string_view text) {
    std::vector<ContentBlock> blocks;
    if (const base::Result<json::value> parsed = base::parse_json(text)) read_blocks(&*parsed, blocks);
    return blocks;
}

}  // namespace tertulia::chat
