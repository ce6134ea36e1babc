#include "tertulia/chat/message_builder.h"

#include <gtest/gtest.h>

namespace tertulia::chat {
namespace {

using Kind = AnswerEvents::Kind;
using Blocks = std::vector<ContentBlock>;

struct Step {
    Kind kind;
    std::uint32_t block;
    const char* text;
    const char* extra = "";
};

Answer build(std::initializer_list<Step> steps) {
    AnswerEvents events;
    for (const Step& step : steps) events.add(step.kind, step.block, step.text, step.extra);
    return build_answer(events, "maker");
}

TEST(MessageBuilder, joins_the_text_of_one_block) {
    EXPECT_EQ(build({{Kind::text, 0, "Hel"}, {Kind::text, 0, ""}, {Kind::text, 0, "lo"}}).blocks,
              Blocks{Text{"Hello"}});
}

TEST(MessageBuilder, keeps_blocks_apart_and_in_the_order_in_which_they_began) {
    const Answer answer = build({{Kind::thinking, 0, "hm"},
                                 {Kind::signature, 0, "c2"},
                                 {Kind::signature, 0, "ln"},
                                 {Kind::text, 1, "a"},
                                 {Kind::tool_call, 2, "f", "id1"},
                                 {Kind::tool_call, 3, "g", "id2"},
                                 {Kind::tool_arguments, 2, "{\"x\":"},
                                 {Kind::text, 4, "b"},
                                 {Kind::tool_arguments, 2, "1}"},
                                 {Kind::native, 5, "{\"type\":\"own\"}"}});
    EXPECT_EQ(answer.blocks, (Blocks{Thinking{"hm", "c2ln", "maker"}, Text{"a"}, ToolCall{"id1", "f", "{\"x\":1}"},
                                     ToolCall{"id2", "g", "{}"}, Text{"b"}, Native{"{\"type\":\"own\"}", "maker"}}));
    EXPECT_TRUE(answer.calls_tools);
    EXPECT_FALSE(answer.refused);
}

TEST(MessageBuilder, a_refusal_is_text_and_is_noticed) {
    const Answer answer = build({{Kind::refusal, 2, "I can"}, {Kind::refusal, 2, "not."}});
    EXPECT_EQ(answer.blocks, Blocks{Text{"I cannot."}});
    EXPECT_TRUE(answer.refused);
}

TEST(MessageBuilder, empty_blocks_are_no_blocks_but_a_signature_alone_is_one) {
    EXPECT_EQ(build({{Kind::text, 0, ""}, {Kind::thinking, 1, ""}}).blocks, Blocks{});
    EXPECT_EQ(build({{Kind::signature, 0, "s"}}).blocks, (Blocks{Thinking{"", "s", "maker"}}));
}

TEST(MessageBuilder, a_restart_makes_void_what_came_before) {
    const Answer answer = build({{Kind::thinking, 0, "first"},
                                 {Kind::tool_call, 1, "f", "one"},
                                 {Kind::tool_arguments, 1, "{\"cu"},
                                 {Kind::restart, 0, ""},
                                 {Kind::thinking, 0, "second"},
                                 {Kind::text, 1, "done"}});
    EXPECT_EQ(answer.blocks, (Blocks{Thinking{"second", "", "maker"}, Text{"done"}}));
    EXPECT_FALSE(answer.calls_tools);
}

TEST(MessageBuilder, what_the_answer_holds_decides_the_stop_reason) {
    const struct {
        StopReason given;
        bool refused, calls_tools;
        StopReason effective;
    } table[] = {
        {StopReason::end_turn, false, false, StopReason::end_turn},
        {StopReason::end_turn, false, true, StopReason::tool_use},
        {StopReason::end_turn, true, false, StopReason::refusal},
        {StopReason::end_turn, true, true, StopReason::refusal},
        {StopReason::max_tokens, false, false, StopReason::max_tokens},
        {StopReason::max_tokens, false, true, StopReason::tool_use},
        {StopReason::pause_turn, false, false, StopReason::pause_turn},
    };
    for (const auto& row : table)
        EXPECT_EQ(effective_stop_reason(row.given, {.refused = row.refused, .calls_tools = row.calls_tools}),
                  row.effective);
}

}  // namespace
}  // namespace tertulia::chat
