#include "tertulia/chat/stop_reason.h"

#include <array>
#include <utility>

namespace tertulia::chat {
namespace {

constexpr std::array<std::pair<StopReason, std::string_view>, 7> names{{
    {StopReason::end_turn, "end_turn"},
    {StopReason::max_tokens, "max_tokens"},
    {StopReason::stop_sequence, "stop_sequence"},
    {StopReason::tool_use, "tool_use"},
    {StopReason::refusal, "refusal"},
    {StopReason::pause_turn, "pause_turn"},
    {StopReason::context_exceeded, "context_exceeded"},
}};

}  // namespace

std::string_view to_string(StopReason reason) {
    for (const auto& [value, name] : names)
        if (value == reason) return name;
    return "";
}

std::optional<StopReason> parse_stop_reason(std::string_view text) {
    for (const auto& [value, name] : names)
        if (name == text) return value;
    return std::nullopt;
}

}  // namespace tertulia::chat
