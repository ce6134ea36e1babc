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

TEST_F(ChatScreenTest, ShowsTheTextAsItComes) {
    EXPECT_TRUE(show({{"turn.started", R"({"session_id":"s-1","turn_id":"t_1","model":"a/b"})"},
                      {"text.delta", R"({"text":"Good "})"},
                      {"text.delta", R"({"text":"day."})"},
                      {"usage", R"({"input_tokens":1})"},
                      {"some.future.event", "{}"},
                      {"turn.completed", R"({"stop_reason":"end_turn"})"}}));
    EXPECT_EQ(out.str(), "Good day.\n");
    EXPECT_EQ(err.str(), "");
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

TEST_F(ChatScreenTest, SaysThatATurnWaitsOrWasStopped) {
    EXPECT_FALSE(
        show({{"turn.queued", "{}"}, {"text.delta", R"({"text":"On"})"}, {"turn.cancelled", R"({"message":"x"})"}}));
    EXPECT_EQ(out.str(), "On\n");
    EXPECT_EQ(err.str(), "(it waits for the answer before it)\n(stopped)\n");
}

TEST_F(ChatScreenTest, ANoteInTheMiddleLeavesTheTextAlone) {
    screen.begin();
    screen.on_event("text.delta", R"({"text":"One "})");
    screen.note("the connection is lost");
    screen.on_event("text.delta", R"({"text":"two"})");
    screen.on_event("turn.completed", "{}");
    EXPECT_TRUE(screen.end());
    EXPECT_EQ(out.str(), "One two\n");
    EXPECT_EQ(err.str(), "\n(the connection is lost)\n");
}

TEST_F(ChatScreenTest, AReplacementThatGoesOnIsNotShownTwice) {
    EXPECT_FALSE(
        show({{"text.delta", R"({"text":"One"})"}, {"turn.interrupted", R"({"message":"The server stopped."})"}}));
    screen.begin_again();
    screen.on_event("text.replaced", R"({"text":"One two"})");
    screen.on_event("text.delta", R"({"text":" three"})");
    screen.on_event("turn.completed", "{}");
    EXPECT_TRUE(screen.end());
    EXPECT_EQ(out.str(), "One\n two three\n");
    EXPECT_EQ(err.str(), "error: The server stopped.\n");
}

TEST_F(ChatScreenTest, AReplacementThatDiffersIsShownWhole) {
    EXPECT_TRUE(show({{"text.delta", R"({"text":"One two three"})"},
                      {"text.replaced", R"({"text":"One two"})"},
                      {"text.delta", R"({"text":" four"})"},
                      {"turn.completed", "{}"}}));
    EXPECT_EQ(out.str(), "One two three\nOne two four\n");
    EXPECT_EQ(err.str(), "(not all of this was kept; the answer from its beginning:)\n");
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
