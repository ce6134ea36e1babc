#include "tertulia/chat/answer_events.h"

#include <gtest/gtest.h>

namespace tertulia::chat {
namespace {

using Kind = AnswerEvents::Kind;

std::string_view text(const AnswerEvents& events, std::size_t i) {
    return events.bytes(events.events().at(i).text);
}
std::string_view extra(const AnswerEvents& events, std::size_t i) {
    return events.bytes(events.events().at(i).extra);
}

TEST(AnswerEvents, keep_every_step_with_its_texts) {
    AnswerEvents events;
    events.add(Kind::text, 0, "Hello");
    events.add(Kind::tool_call, 3, "get_weather", "call_1");
    events.add(Kind::text, 0, "");
    ASSERT_EQ(events.events().size(), 3u);
    EXPECT_EQ(text(events, 0), "Hello");
    EXPECT_EQ(extra(events, 0), "");
    EXPECT_EQ(events.events()[1].kind, Kind::tool_call);
    EXPECT_EQ(events.events()[1].block, 3u);
    EXPECT_EQ(text(events, 1), "get_weather");
    EXPECT_EQ(extra(events, 1), "call_1");
    EXPECT_EQ(text(events, 2), "");
    EXPECT_EQ(events.byte_size(), 22u);
}

TEST(AnswerEvents, appended_steps_follow_the_earlier_ones) {
    AnswerEvents all, more;
    all.add(Kind::text, 0, "one");
    all.usage = Usage{.input = 1};
    more.add(Kind::tool_call, 1, "name", "id");
    more.finish = StopReason::max_tokens;
    all.append(more);
    ASSERT_EQ(all.events().size(), 2u);
    EXPECT_EQ(text(all, 0), "one");
    EXPECT_EQ(text(all, 1), "name");
    EXPECT_EQ(extra(all, 1), "id");
    EXPECT_EQ(all.usage->input, 1) << "a part without usage must not take the earlier one away";
    EXPECT_EQ(all.finish, StopReason::max_tokens);

    more.clear();
    more.usage = Usage{.input = 2};
    all.append(more);
    EXPECT_EQ(all.usage->input, 2);
    EXPECT_EQ(all.finish, StopReason::max_tokens);
}

TEST(AnswerEvents, only_a_step_or_the_end_is_progress) {
    AnswerEvents events;
    EXPECT_FALSE(events.has_progress());
    events.usage = Usage{};
    EXPECT_FALSE(events.has_progress());
    events.finish = StopReason::end_turn;
    EXPECT_TRUE(events.has_progress());
    events.clear();
    EXPECT_FALSE(events.has_progress());
    EXPECT_FALSE(events.usage);
    events.add(Kind::thinking, 0, "hm");
    EXPECT_TRUE(events.has_progress());
}

}  // namespace
}  // namespace tertulia::chat
