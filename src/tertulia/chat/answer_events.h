// What a model's answer says, step by step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/stop_reason.h"
#include "tertulia/chat/usage.h"

namespace tertulia::chat {

/// The steps of an answer, as one buffer of bytes and places in it: no string per step. A provider's reader fills one
/// per read, the turn log keeps one per turn; buffers are reused. Value.
class AnswerEvents {
  public:
    enum class Kind : std::uint8_t {
        text,            ///< more of text block `block`
        refusal,         ///< more of text block `block`, which is a refusal
        thinking,        ///< more of thinking block `block`
        signature,       ///< more of that block's signature
        tool_call,       ///< tool call `block` begins: text = name, extra = id
        tool_arguments,  ///< more of its arguments (JSON text)
        native,          ///< text = a whole block of the provider's own, as JSON
        restart,         ///< the provider began its answer anew: what came before is void (never after any text)
    };
    struct Span {
        std::uint32_t offset = 0;
        std::uint32_t size = 0;
    };
    struct Event {
        Kind kind;
        /// The provider's index of the content block; text of one block is joined, different blocks keep their order.
        std::uint32_t block;
        Span text;
        Span extra;
    };

    void add(Kind kind, std::uint32_t block, std::string_view text, std::string_view extra = {});
    /// Adds all of `other`'s events, and its usage and finish where it has them.
    void append(const AnswerEvents& other);
    /// Empties it, keeping its memory.
    void clear();

    const std::vector<Event>& events() const { return events_; }
    std::string_view bytes(Span span) const { return std::string_view(bytes_).substr(span.offset, span.size); }
    std::size_t byte_size() const { return bytes_.size(); }

    /// The provider's counts so far (cumulative: a later one replaces an earlier one).
    std::optional<Usage> usage;
    /// The provider's terminal event came, with this reason. Without it the answer is not whole.
    std::optional<StopReason> finish;

    /// Did a read bring anything a token deadline may count (a token, or the end)? Usage alone and pings do not.
    bool has_progress() const { return !events_.empty() || finish.has_value(); }

  private:
    std::string bytes_;
    std::vector<Event> events_;
};

}  // namespace tertulia::chat
