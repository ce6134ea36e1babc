#include "tertulia/sessions/event_record.h"

#include "tertulia/base/varint.h"

namespace tertulia::sessions {
namespace {

constexpr unsigned kind_bits = 0x0f, number_jumps = 0x10, block_changes = 0x20;

constexpr bool has_text(EventKind kind) {
    switch (kind) {
        case EventKind::queued:
        case EventKind::started:
        case EventKind::usage:
        case EventKind::ended:
        case EventKind::restart:
            return false;
        default:
            return true;
    }
}

}  // namespace

void EventRecord::add(const EventEntry& entry) {
    const bool shown = is_shown(entry.kind);
    const std::uint32_t grown = shown ? entry.number - number_ : 1;
    const auto head = static_cast<unsigned>(entry.kind) | (grown != 1 ? number_jumps : 0) |
                      (entry.block != block_ ? block_changes : 0);
    bytes_ += static_cast<char>(head);
    if (grown != 1) base::append_varint(bytes_, grown);
    if (entry.block != block_) base::append_varint(bytes_, entry.block);
    if (has_text(entry.kind)) base::append_varint(bytes_, entry.text_size);
    if (entry.kind == EventKind::tool_call) base::append_varint(bytes_, entry.extra_size);
    if (shown) number_ = entry.number;
    block_ = entry.block;
}

bool EventCursor::next(std::string_view record, EventEntry& entry) {
    if (at_ >= record.size()) return false;
    std::string_view rest = record.substr(at_);
    const auto head = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    if ((head & ~(kind_bits | number_jumps | block_changes)) != 0) return false;
    EventEntry read{.kind = static_cast<EventKind>(head & kind_bits), .block = block_};
    const auto take = [&rest](std::uint32_t& into) {
        const auto value = base::take_varint(rest, UINT32_MAX);
        if (value) into = static_cast<std::uint32_t>(*value);
        return value.has_value();
    };
    std::uint32_t grown = 1;
    if ((head & number_jumps) && !take(grown)) return false;
    if ((head & block_changes) && !take(read.block)) return false;
    if (has_text(read.kind) && !take(read.text_size)) return false;
    if (read.kind == EventKind::tool_call && !take(read.extra_size)) return false;
    if (is_shown(read.kind)) {
        if (grown == 0 || grown > UINT32_MAX - number_) return false;
        read.number = number_ += grown;
    }
    block_ = read.block;
    at_ = record.size() - rest.size();
    entry = read;
    return true;
}

}  // namespace tertulia::sessions
