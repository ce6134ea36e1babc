#include "tertulia/chat/message_builder.h"

#include <utility>

namespace tertulia::chat {

template <class Block>
Block& MessageBuilder::begin(std::uint32_t number, Block block) {
    numbers_.push_back(number);
    return std::get<Block>(answer_.blocks.emplace_back(std::move(block)));
}

// The newest block of this kind and number; it begins here if there is none. An answer has few blocks, so they are
// found by looking through.
template <class Block>
Block& MessageBuilder::part(std::uint32_t number) {
    for (std::size_t i = numbers_.size(); i-- > 0;)
        if (numbers_[i] == number)
            if (Block* block = std::get_if<Block>(&answer_.blocks[i])) return *block;
    Block& block = begin(number, Block{});
    if constexpr (std::is_same_v<Block, Thinking>) block.maker = maker_;
    return block;
}

void MessageBuilder::add(AnswerEvents::Kind kind, std::uint32_t block, std::string_view text, std::string_view extra) {
    using Kind = AnswerEvents::Kind;
    switch (kind) {
        case Kind::refusal:
            answer_.refused = true;
            [[fallthrough]];
        case Kind::text:
            part<Text>(block).text += text;
            break;
        case Kind::thinking:
            part<Thinking>(block).text += text;
            break;
        case Kind::signature:
            part<Thinking>(block).signature += text;
            break;
        case Kind::tool_call:
            begin(block, ToolCall{.id = std::string(extra), .name = std::string(text), .arguments = {}});
            answer_.calls_tools = true;
            break;
        case Kind::tool_arguments:
            part<ToolCall>(block).arguments += text;
            break;
        case Kind::native:
            begin(block, Native{.json = std::string(text), .maker = std::string(maker_)});
            break;
        case Kind::restart:
            numbers_.resize(kept_blocks_);
            answer_.blocks.erase(answer_.blocks.begin() + static_cast<std::ptrdiff_t>(kept_blocks_),
                                 answer_.blocks.end());
            answer_.refused = has_refused_;
            answer_.calls_tools = has_called_tools_;
            break;
    }
}

void MessageBuilder::begin_new_blocks() {
    numbers_.assign(numbers_.size(), no_number);
    kept_blocks_ = numbers_.size();
    has_refused_ = answer_.refused;
    has_called_tools_ = answer_.calls_tools;
}

Answer MessageBuilder::finish() && {
    for (ContentBlock& block : answer_.blocks)
        if (ToolCall* call = std::get_if<ToolCall>(&block); call && call->arguments.empty()) call->arguments = "{}";
    std::erase_if(answer_.blocks, [](const ContentBlock& block) {
        if (const Text* text = std::get_if<Text>(&block)) return text->text.empty();
        if (const Thinking* thinking = std::get_if<Thinking>(&block))
            return thinking->text.empty() && thinking->signature.empty();
        return false;
    });
    return std::move(answer_);
}

Answer build_answer(const AnswerEvents& events, std::string_view maker) {
    MessageBuilder builder(maker);
    for (const AnswerEvents::Event& event : events.events())
        builder.add(event.kind, event.block, events.bytes(event.text), events.bytes(event.extra));
    return std::move(builder).finish();
}

StopReason effective_stop_reason(StopReason given, const Answer& answer) {
    if (answer.refused) return StopReason::refusal;
    if (answer.calls_tools) return StopReason::tool_use;
    return given;
}

}  // namespace tertulia::chat
