#include "tertulia/sessions/message_size.h"

#include <algorithm>

#include "tertulia/models/model_limits.h"

namespace tertulia::sessions {
namespace {

using models::estimate_tokens;

// Roles, markers and separators that a provider puts around each message or tool.
constexpr std::int64_t tokens_around = 4;
constexpr std::int64_t image_tokens = 1600;
constexpr std::int64_t page_tokens = 2000, page_bytes = 100 << 10;
constexpr std::int64_t most_document_tokens = 50'000;

// Of each kind of block.
class BlockSize {
  public:
    explicit BlockSize(MessageSize& size) : size_(size) {}

    void operator()(const chat::Text& block) { add_text(block.text); }
    void operator()(const chat::Thinking& block) {
        add_text(block.text);
        add_text(block.signature);
    }
    void operator()(const chat::ToolCall& block) {
        add_text(block.name);
        add_text(block.arguments);
        size_.text_tokens += tokens_around;
    }
    void operator()(const chat::Native& block) { add_text(block.json); }
    void operator()(const chat::Image& block) {
        size_.media_tokens += image_tokens;
        size_.bytes += static_cast<std::int64_t>(block.base64.size() + block.url.size());
    }
    void operator()(const chat::Document& block) {
        const auto encoded = static_cast<std::int64_t>(block.base64.size());
        const std::int64_t decoded = encoded / 4 * 3;
        const bool is_text = block.media_type.starts_with("text/");
        size_.media_tokens +=
            is_text ? decoded / 4 : std::clamp(decoded / page_bytes * page_tokens, page_tokens, most_document_tokens);
        size_.bytes += encoded + static_cast<std::int64_t>(block.url.size());
        add_text(block.name);
    }
    void operator()(const chat::ToolResult& block) {
        size_.text_tokens += tokens_around;
        for (const auto& part : block.content) std::visit(*this, part);
    }

  private:
    void add_text(std::string_view text) {
        size_.text_tokens += estimate_tokens(text);
        size_.bytes += static_cast<std::int64_t>(text.size());
    }

    MessageSize& size_;
};

}  // namespace

MessageSize& MessageSize::operator+=(const MessageSize& other) {
    text_tokens += other.text_tokens;
    media_tokens += other.media_tokens;
    bytes += other.bytes;
    return *this;
}

MessageSize& MessageSize::operator-=(const MessageSize& other) {
    text_tokens -= other.text_tokens;
    media_tokens -= other.media_tokens;
    bytes -= other.bytes;
    return *this;
}

MessageSize size_of(const chat::Message& message) {
    MessageSize size{.text_tokens = tokens_around};
    for (const auto& block : message.content) std::visit(BlockSize(size), block);
    return size;
}

std::int64_t tokens_of(const std::vector<chat::Tool>& tools) {
    std::int64_t tokens = 0;
    for (const chat::Tool& tool : tools)
        tokens += estimate_tokens(tool.name) + estimate_tokens(tool.description) + estimate_tokens(tool.schema) +
                  tokens_around;
    return tokens;
}

}  // namespace tertulia::sessions
