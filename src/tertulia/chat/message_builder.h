// From steps to the whole answer.
#pragma once

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

/// Folds the steps of an answer, whole or cut off. `maker` is the provider kind that thinking and native blocks belong
/// to. Pure.
Answer build_answer(const AnswerEvents& events, std::string_view maker);

/// Tool calls make it `tool_use` and a refusal's text `refusal`, whatever reason the provider gave (some say "stop" for
/// both).
StopReason effective_stop_reason(StopReason given, const Answer& answer);

}  // namespace tertulia::chat
