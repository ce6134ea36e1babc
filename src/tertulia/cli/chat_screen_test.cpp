#include "tertulia/cli/chat_screen.h"

#include <gtest/gtest.h>

#include <sstream>

namespace tertulia::cli {
namespace {

struct Event {
    std::string_view type, data;
};

struct ChatScreenTest : testing::Test {
    bool show(std::initializer_list<Event> events) {
        screen.begin();
        for (const Event& event : events) screen.on_event(event.type, event.data);
        return screen.end();
    }

    std::ostringstream out, err;
    ChatScreen screen{out, err};
};

TEST_F(ChatScreenTest, ShowsTheTextAsItComesAndKeepsTheSession) {
    EXPECT_TRUE(show({{"turn.started", R"({"session_id":"s-1","turn_id":"t_1","model":"a/b"})"},
                      {"text.delta", R"({"text":"Good "})"},
                      {"text.delta", R"({"text":"day."})"},
                      {"usage", R"({"input_tokens":1})"},
                      {"some.future.event", "{}"},
                      {"turn.completed", R"({"stop_reason":"end_turn"})"}}));
    EXPECT_EQ(out.str(), "Good day.\n");
    EXPECT_EQ(err.str(), "");
    EXPECT_EQ(screen.session_id(), "s-1");
}

TEST_F(ChatScreenTest, SaysThatAnAnswerWasCut) {
    EXPECT_TRUE(show({{"text.delta", R"({"text":"Once"})"}, {"turn.completed", R"({"stop_reason":"max_tokens"})"}}));
    EXPECT_EQ(out.str(), "Once\n");
    EXPECT_EQ(err.str(), "(the answer is cut: max_tokens)\n");
}

TEST_F(ChatScreenTest, ShowsWhyATurnFailed) {
    EXPECT_FALSE(show({{"text.delta", R"({"text":"On"})"}, {"turn.failed", R"({"message":"The provider is gone."})"}}));
    EXPECT_EQ(out.str(), "On\n");
    EXPECT_EQ(err.str(), "error: The provider is gone.\n");
}

TEST_F(ChatScreenTest, DoesNotTakeABrokenStreamForAnAnswer) {
    EXPECT_FALSE(show({{"text.delta", R"({"text":"On"})"}}));
    EXPECT_EQ(out.str(), "On\n");
    EXPECT_NE(err.str().find("the connection ended before the answer did"), std::string::npos);
}

TEST_F(ChatScreenTest, ShowsTheMessageOfAnErrorThatIsNoStream) {
    screen.begin();
    screen.on_error_body(401, R"({"error":"Unauthenticated","message":"Send a token."})");
    EXPECT_FALSE(screen.end());
    screen.begin();
    screen.on_error_body(502, "<html>");
    EXPECT_FALSE(screen.end());
    EXPECT_EQ(err.str(), "error: Send a token.\nerror: the server answered with status 502\n");
    EXPECT_EQ(out.str(), "");
}

TEST_F(ChatScreenTest, LetsNoControlCharacterReachTheTerminal) {
    EXPECT_TRUE(show({{"text.delta", "{\"text\":\"a\\u001b[2J\\u0007\\u009b\\u007f\\r\\t\\u00a0é\\nb\"}"},
                      {"turn.completed", R"({"stop_reason":"end_turn"})"}}));
    EXPECT_EQ(out.str(), "a\ufffd[2J\ufffd\ufffd\ufffd\t\u00a0é\nb\n");
    EXPECT_FALSE(show({{"turn.failed", R"({"message":"bad\u001b]0;x"})"}}));
    EXPECT_EQ(err.str(), "error: bad\ufffd]0;x\n");
}

}  // namespace
}  // namespace tertulia::cli
