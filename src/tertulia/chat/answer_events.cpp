#include "tertulia/chat/answer_events.h"

namespace tertulia::chat {

void AnswerEvents::add(Kind kind, std::uint32_t block, std::string_view text, std::string_view extra) {
    const auto keep = [&](std::string_view bytes) {
        const Span span{static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(bytes.size())};
        bytes_ += bytes;
        return span;
    };
    const Span text_span = keep(text);
    const Span extra_span = keep(extra);
    events_.push_back({kind, block, text_span, extra_span});
}

void AnswerEvents::append(const AnswerEvents& other) {
    const auto shift = static_cast<std::uint32_t>(bytes_.size());
    bytes_ += other.bytes_;
    for (Event event : other.events_) {
        event.text.offset += shift;
        event.extra.offset += shift;
        events_.push_back(event);
    }
    if (other.usage) usage = other.usage;
    if (other.finish) finish = other.finish;
}

void AnswerEvents::clear() {
    bytes_.clear();
    events_.clear();
    usage.reset();
    finish.reset();
}

}  // namespace tertulia::chat
