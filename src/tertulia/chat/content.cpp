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
    else
        return;
    if (reader.whole()) into.push_back(std::move(block));
}

}  // namespace

std::string text_of(const std::vector<ContentBlock>& blocks) {
    std::string text;
    for (const ContentBlock& block : blocks)
        if (const Text* part = std::get_if<Text>(&block)) text += part->text;
    return text;
}

bool is_plain_text(const std::vector<ContentBlock>& blocks) {
    return blocks.size() == 1 && std::holds_alternative<Text>(blocks.front());
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
    const base::Result<json::value> parsed = base::parse_json(text);
    const json::array* array = parsed ? parsed->if_array() : nullptr;
    if (!array) return blocks;
    for (const json::value& item : *array)
        if (const json::object* object = item.if_object()) read_block(*object, blocks);
    return blocks;
}

}  // namespace tertulia::chat
