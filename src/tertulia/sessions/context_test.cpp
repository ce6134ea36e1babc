#include "tertulia/sessions/context.h"

#include <gtest/gtest.h>

#include <random>

#include "tertulia/base/clock.h"
#include "tertulia/models/model_limits.h"

namespace tertulia::sessions {
namespace {

// A session's history, oldest first; turn i's question is at second 2i, its answer at 2i + 1.
struct History {
    std::vector<StoredMessage> messages = {};

    void add_turn(const std::string& question, const std::string& answer, TurnState state = TurnState::completed) {
        for (const auto role : {chat::Role::user, chat::Role::assistant}) {
            const bool user = role == chat::Role::user;
            messages.push_back(
                {.role = role,
                 .content = user ? question : answer,
                 .timestamp = base::format_timestamp(static_cast<std::int64_t>(messages.size()) * 1'000'000),
                 .state = user ? TurnState::completed : state});
        }
    }
};

struct Chosen {
    base::Result<Context> context;
    std::size_t read;
};

Chosen choose(const History& history, std::string_view system, const std::string& message, ContextBudget budget) {
    ContextBuilder builder(system, {.role = chat::Role::user, .content = {chat::Text{message}}}, std::move(budget));
    std::size_t read = 0;
    while (read < history.messages.size() && builder.wants_more())
        builder.offer(history.messages[history.messages.size() - ++read]);
    return {builder.finish(static_cast<std::int64_t>(history.messages.size())), read};
}

std::vector<std::string> texts(const Context& context) {
    std::vector<std::string> out;
    for (const auto& message : context.messages) out.push_back(chat::text_of(message.content));
    return out;
}

TEST(Context, ShowsTheWholeHistoryWhereItFits) {
    History history;
    history.add_turn("My name is Ada.", "Hello Ada.");
    const auto chosen = choose(history, "Be brief.", "What is my name?", {.tokens = 1000});
    EXPECT_EQ(texts(*chosen.context), (std::vector<std::string>{"My name is Ada.", "Hello Ada.", "What is my name?"}));
    EXPECT_EQ(chosen.context->messages_sent, 3);
    EXPECT_EQ(chosen.context->messages_left_out, 0);
    EXPECT_EQ(chosen.context->from, "");
}

TEST(Context, LeavesOutATurnThatSaidNothingAndMarksOneThatWasCut) {
    History history;
    history.add_turn("lost", "", TurnState::failed);
    history.add_turn("answered with nothing", " \n ");
    history.add_turn("cut off at once", "\n", TurnState::interrupted);
    history.add_turn("cut", "Half an ans", TurnState::interrupted);
    const auto chosen = choose(history, "", "Go on.", {.tokens = 1000});
    EXPECT_EQ(texts(*chosen.context),
              (std::vector<std::string>{"cut", "Half an ans\n\n[This answer was cut off before its end.]", "Go on."}));
    EXPECT_EQ(chosen.context->messages_left_out, 6);
}

struct ToolHistory : History {
    ToolHistory() {
        add_turn("What is the weather?", "");
        messages[1].blocks = {chat::ToolCall{.id = "c1", .name = "weather", .arguments = "{}"}};
        add_turn("", "Sunny.");
        messages[2].blocks = {chat::ToolResult{.call_id = "c1", .content = {chat::Text{"sun"}}}};
    }
};

TEST(Context, ShowsToolCallsWithTheirResults) {
    const ToolHistory history;
    const auto chosen = choose(history, "", "Thanks.", {.tokens = 1000});
    ASSERT_TRUE(chosen.context);
    ASSERT_EQ(chosen.context->messages.size(), 5u);
    EXPECT_EQ(chosen.context->messages[1].content, history.messages[1].blocks);
    EXPECT_EQ(chosen.context->messages[2].content, history.messages[2].blocks);
    EXPECT_EQ(chosen.context->messages_left_out, 0);
}

TEST(Context, ACallThatGotNoResultIsShownAsAbandoned) {
    ToolHistory history;
    history.messages.resize(2);
    const auto chosen = choose(history, "", "Never mind.", {.tokens = 1000});
    ASSERT_EQ(chosen.context->messages.size(), 3u);
    const auto* result = std::get_if<chat::ToolResult>(&chosen.context->messages[2].content[0]);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->call_id, "c1");
    EXPECT_TRUE(result->is_error);
    EXPECT_EQ(chosen.context->messages_sent, 3);
}

TEST(Context, AnAnswerThatWasCutOffIsShownWithoutItsCalls) {
    ToolHistory history;
    history.messages.resize(2);
    history.messages[1].state = TurnState::failed;
    EXPECT_EQ(texts(*choose(history, "", "Again.", {.tokens = 1000}).context), std::vector<std::string>{"Again."});
    history.messages[1].content = "Let me";
    history.messages[1].blocks.insert(history.messages[1].blocks.begin(), chat::Text{"Let me"});
    const auto chosen = choose(history, "", "Again.", {.tokens = 1000});
    ASSERT_EQ(chosen.context->messages.size(), 3u);
    EXPECT_EQ(chosen.context->messages[1].content.size(), 1u);
}

TEST(Context, ImagesAndDocumentsMakeRoomButNeverRefuseAMessage) {
    History history;
    history.add_turn("q", "a");
    const auto with = [&](chat::ContentBlock block, ContextBudget budget) {
        ContextBuilder builder("", {.role = chat::Role::user, .content = {std::move(block)}}, std::move(budget));
        for (std::size_t i = history.messages.size(); i-- > 0;) builder.offer(history.messages[i]);
        return builder.finish(2);
    };
    const chat::Image image{.media_type = "image/png", .base64 = std::string(4000, 'A'), .url = {}};
    const auto fits = with(image, {.tokens = 4000});
    ASSERT_TRUE(fits);
    EXPECT_EQ(fits->messages_sent, 3);
    EXPECT_EQ(fits->estimated_tokens, 1600 + 3 * 4 + 2);
    EXPECT_EQ(fits->plain_tokens, 0) << "nothing to learn from";
    const auto alone = with(image, {.tokens = 1000, .known_room = 1000});
    ASSERT_TRUE(alone);
    EXPECT_EQ(alone->messages_sent, 1);
    EXPECT_EQ(with(image, {.tokens = 4000, .bytes = 4000})->messages_sent, 1) << "too long for one body";
    EXPECT_TRUE(with(chat::Document{.media_type = "application/pdf", .base64 = std::string(1 << 20, 'A')},
                     {.tokens = 10'000, .known_room = 10'000}));
    EXPECT_EQ(
        with(chat::Document{.media_type = "application/pdf", .base64 = {}, .url = "https://x"}, {.tokens = 10'000})
            ->estimated_tokens,
        2000 + 3 * 4 + 2);
}

TEST(Context, ToolsTakeRoomToo) {
    History history;
    history.add_turn(std::string(400, 'q'), std::string(400, 'a'));
    const auto sent = [&](std::int64_t tools) {
        return choose(history, "", "next", {.tokens = 400, .tools_tokens = tools}).context->messages_sent;
    };
    EXPECT_EQ(sent(0), 3);
    EXPECT_EQ(sent(300), 1);
}

TEST(Context, AMessageTooLargeForAKnownWindowIsRefusedWithBothNumbers) {
    const std::string large(8000, 'x');
    const auto refused = choose({}, "", large, {.tokens = 1000, .known_room = 1000});
    ASSERT_FALSE(refused.context);
    EXPECT_EQ(refused.context.error().code, base::Errc::too_large);
    EXPECT_NE(refused.context.error().message.find("2004"), std::string::npos) << refused.context.error().message;
    EXPECT_NE(refused.context.error().message.find("1000"), std::string::npos);
    EXPECT_TRUE(choose({}, "", large, {.tokens = 1000, .known_room = 100'000}).context);
    const auto sent = choose({}, "", large, {.tokens = 1000});
    ASSERT_TRUE(sent.context);
    EXPECT_EQ(sent.context->messages.size(), 1u);
}

TEST(Context, IsCutInLargeStepsSoThatThePrefixStaysTheSame) {
    History history;
    std::string from;
    int cuts = 0, turns_since_cut = 0, fewest_turns_between_cuts = 1000;
    for (int turn = 0; turn < 200; ++turn) {
        const auto chosen = choose(history, "system", "next", {.tokens = 2000, .previous_from = from});
        ASSERT_TRUE(chosen.context);
        if (chosen.context->from != from) {
            if (cuts++ > 0) fewest_turns_between_cuts = std::min(fewest_turns_between_cuts, turns_since_cut);
            turns_since_cut = 0;
            EXPECT_LE(chosen.context->plain_tokens, 2000 * 2 / 3);
            EXPECT_GE(chosen.context->plain_tokens, 2000 / 2);
        }
        from = chosen.context->from;
        ++turns_since_cut;
        history.add_turn(std::string(100, 'q'), std::string(100, 'a'));
    }
    EXPECT_GT(cuts, 5);
    EXPECT_GE(fewest_turns_between_cuts, 10);
}

TEST(Context, AnyHistoryGivesAValidRequestWithinTheBudget) {
    std::mt19937 random(7);
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
    constexpr TurnState states[] = {TurnState::completed, TurnState::failed, TurnState::cancelled,
                                    TurnState::interrupted};
    for (int round = 0; round < 2000; ++round) {
        History history;
        for (int turns = pick(0, 30); turns-- > 0;)
            history.add_turn(std::string(static_cast<std::size_t>(pick(1, 400)), 'q'),
                             std::string(static_cast<std::size_t>(pick(0, 3) == 0 ? 0 : pick(1, 900)), 'a'),
                             states[pick(0, 3)]);
        // Foreign tables may hold anything: drop some messages at random.
        if (pick(0, 3) == 0) std::erase_if(history.messages, [&](const auto&) { return pick(0, 5) == 0; });
        const double factor = pick(5, 20) / 10.0;
        const int tokens = pick(0, 3000);
        ContextBudget budget{
            .tokens = tokens,
            .known_room = pick(0, 1) == 0 ? std::optional<std::int64_t>(tokens) : std::nullopt,
            .correct =
                [factor](std::int64_t plain) { return static_cast<std::int64_t>(static_cast<double>(plain) * factor); },
            .previous_from = {}};
        if (!history.messages.empty() && pick(0, 2) == 0)
            budget.previous_from =
                history.messages[static_cast<std::size_t>(pick(0, static_cast<int>(history.messages.size()) - 1))]
                    .timestamp;
        const std::string message(static_cast<std::size_t>(pick(1, 2000)), 'm');
        const auto chosen = choose(history, pick(0, 1) == 0 ? "" : "system text", message, budget);
        if (!chosen.context) {
            EXPECT_TRUE(budget.known_room);
            continue;
        }
        const Context& context = *chosen.context;
        ASSERT_EQ(context.messages.size() % 2, 1u);
        for (std::size_t i = 0; i < context.messages.size(); ++i) {
            EXPECT_EQ(context.messages[i].role, i % 2 == 0 ? chat::Role::user : chat::Role::assistant);
            EXPECT_FALSE(chat::text_of(context.messages[i].content).empty());
        }
        EXPECT_EQ(chat::text_of(context.messages.back().content), message);
        if (context.messages.size() > 1) EXPECT_LE(context.estimated_tokens, budget.tokens);
        EXPECT_EQ(context.messages_sent - 1 + context.messages_left_out,
                  static_cast<std::int64_t>(history.messages.size()));
    }
}

TEST(Context, ReadsNoMoreHistoryThanItCanUse) {
    History history;
    for (int i = 0; i < 10'000; ++i) history.add_turn(std::string(100, 'q'), std::string(100, 'a'));
    EXPECT_LT(choose(history, "", "next", {.tokens = 2000}).read, 100u);
}

}  // namespace
}  // namespace tertulia::sessions
