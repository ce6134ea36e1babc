#include "tertulia/chat/stop_reason.h"

#include <gtest/gtest.h>

#include <string>

#include "tertulia/chat/message.h"

namespace tertulia::chat {
namespace {

TEST(StopReason, has_the_words_of_the_api) {
    const std::pair<StopReason, std::string_view> table[] = {
        {StopReason::end_turn, "end_turn"},
        {StopReason::max_tokens, "max_tokens"},
        {StopReason::stop_sequence, "stop_sequence"},
        {StopReason::tool_use, "tool_use"},
        {StopReason::refusal, "refusal"},
        {StopReason::pause_turn, "pause_turn"},
        {StopReason::context_exceeded, "context_exceeded"},
    };
    for (const auto& [reason, name] : table) {
        EXPECT_EQ(to_string(reason), name);
        EXPECT_EQ(parse_stop_reason(name), reason) << name;
    }
    for (std::string_view other : {"", "stop", "END_TURN", "end_turn "})
        EXPECT_EQ(parse_stop_reason(other), std::nullopt) << other;
}

TEST(Role, has_two_words) {
    EXPECT_EQ(to_string(Role::user), "user");
    EXPECT_EQ(to_string(Role::assistant), "assistant");
    EXPECT_EQ(parse_role("user"), Role::user);
    EXPECT_EQ(parse_role("assistant"), Role::assistant);
    EXPECT_EQ(parse_role("system"), std::nullopt);
}

}  // namespace
}  // namespace tertulia::chat
