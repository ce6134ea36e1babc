// A turn's events in few bytes, without their texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tertulia::sessions {

/// What a turn's events are, in the log, in a checkpoint and in the store (the numbers are in stored records: new kinds
/// go to the end). Those of the second group are parts of the answer that no reader is shown; they have no number.
enum class EventKind : std::uint8_t {
    queued = 0,          ///< another turn of the session runs
    started = 1,         ///< the user's message is durable
    text = 2,            ///< more of the answer's text
    refusal = 3,         ///< the same, of a refusal
    thinking = 4,        ///< more of the model's reasoning
    tool_call = 5,       ///< a tool call begins: text = name, extra = id
    tool_arguments = 6,  ///< more of its arguments
    text_replaced = 7,   ///< forget the text so far, this is the text now
    usage = 8,
    ended = 9,  ///< the terminal event; which of the four, the turn's state says

    signature = 10,
    native = 11,
    restart = 12,

    rerouted = 13,  ///< another model goes on (rerouted.h); shown
    maker = 14,     ///< text = the provider kind that made what follows; not shown
    billed = 15,    ///< what attempts that are over cost (billed.h), before what the next one gives; not shown
};

constexpr bool is_shown(EventKind kind) {
    return kind <= EventKind::ended || kind == EventKind::rerouted;
}

/// One event of a record. Value.
struct EventEntry {
    EventKind kind = EventKind::queued;
    /// 0 where the kind is not shown.
    std::uint32_t number = 0;
    /// The provider's index of the content block that it belongs to.
    std::uint32_t block = 0;
    /// Bytes of the event's text and of its extra text, which follow each other in the log's bytes.
    std::uint32_t text_size = 0;
    std::uint32_t extra_size = 0;
};

/// Writes a record: an event with its number takes two or three bytes. Value.
///
/// The form: a byte of kind (low 4 bits: all are given away) and flags, then, as flags and kind ask for them, as LEB128
/// numbers: by how much the number grew (flag 0x10; else by 1), the block (flag 0x20; else that of the event before),
/// the sizes of text (all kinds that carry text) and extra text (tool_call).
class EventRecord {
  public:
    /// `entry.number` must be greater than the last one's (of a kind that is shown).
    void add(const EventEntry& entry);
    const std::string& bytes() const { return bytes_; }
    std::uint32_t last_number() const { return number_; }
    std::string take() && { return std::move(bytes_); }
    void shrink_to_fit() { bytes_.shrink_to_fit(); }

  private:
    friend class EventCursor;
    std::string bytes_;
    std::uint32_t number_ = 0;
    std::uint32_t block_ = 0;
};

/// Walks a record, from its beginning; the record may grow meanwhile. Value.
class EventCursor {
  public:
    EventCursor() = default;
    /// Walks what goes on where `before` ends.
    explicit EventCursor(const EventRecord& before) : number_(before.number_), block_(before.block_) {}
    /// The next event; false at the end, and for good where the record is not well formed.
    bool next(std::string_view record, EventEntry& entry);

  private:
    std::size_t at_ = 0;
    std::uint32_t number_ = 0;
    std::uint32_t block_ = 0;
};

}  // namespace tertulia::sessions
