// From steps to the whole answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/answer_events.h"
#include "tertulia/chat/content.h"

namespace tertulia::chat {

/// An assistant's message made of its steps. Value.
struct Answer {
    /// In the order in which the blocks began; a tool call without arguments has `{}`.
    std::vector<ContentBlock> blocks;
    /// Did any step come as a refusal?
    bool refused = false;
    bool calls_tools = false;
};

/// Folds the steps of an answer, whole or cut off. Value.
class MessageBuilder {
  public:
    /// `maker` is the provider kind that thinking and native blocks belong to; it must outlive this.
    explicit MessageBuilder(std::string_view maker) : maker_(maker) {}
    void add(AnswerEvents::Kind kind, std::uint32_t block, std::string_view text, std::string_view extra);
    /// What follows is of this provider kind.
    void change_maker(std::string_view maker) { maker_ = maker; }
    /// Another model goes on: what follows are blocks of their own, whatever their numbers, and no new beginning makes
    /// those so far void.
    void begin_new_blocks();
    Answer finish() &&;

  private:
    static constexpr std::uint32_t no_number = UINT32_MAX;

    template <class Block>
    Block& begin(std::uint32_t number, Block block);
    template <class Block>
    Block& part(std::uint32_t number);

    std::string_view maker_;
    Answer answer_;
    std::vector<std::uint32_t> numbers_;  // the provider's, of answer_.blocks
    std::size_t kept_blocks_ = 0;         // of earlier models; what they did as well:
    bool has_refused_ = false, has_called_tools_ = false;
};

/// Folds all steps at once. Pure.
Answer build_answer(const AnswerEvents& events, std::string_view maker);

/// Tool calls make it `tool_use` and a refusal's text `refusal`, whatever reason the provider gave (some say "stop" for
/// both).
StopReason effective_stop_reason(StopReason given, const Answer& answer);

}  // namespace tertulia::chat
