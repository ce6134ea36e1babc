// Why a model stopped.
#pragma once

#include <optional>
#include <string_view>

namespace tertulia::chat {

enum class StopReason {
    end_turn,
    max_tokens,
    stop_sequence,
    tool_use,
    refusal,     ///< content filters too
    pause_turn,  ///< Anthropic's long-running server tools: call again with the same content
    context_exceeded,
};

/// `end_turn`, `max_tokens`, ...: the words of our API and of the store.
std::string_view to_string(StopReason reason);
std::optional<StopReason> parse_stop_reason(std::string_view text);

}  // namespace tertulia::chat
