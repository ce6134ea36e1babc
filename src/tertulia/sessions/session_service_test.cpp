#include "tertulia/sessions/session_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/test_service.h"

namespace tertulia::sessions {
namespace {

using test::FakeProvider;
using test::soon;
using testing::HasSubstr;

class SessionServiceTest : public testing::Test, protected test::TestService {
  protected:
    SessionServiceTest() : TestService({.default_model = "fake/m", .default_system = "Be kind."}) {}

    async::Task<std::shared_ptr<const TurnResult>> ask(TurnRequest request) {
        auto begun = service.begin(std::move(request));
        if (!begun) co_return nullptr;
        co_return co_await begun->reader.wait_end(soon());
    }
    async::Task<std::shared_ptr<const TurnResult>> say(std::string session, std::string message) {
        return ask({.session_id = std::move(session), .content = {chat::Text{std::move(message)}}});
    }
    async::Task<std::vector<StoredMessage>> history(std::string session) {
        auto page = co_await service.messages({"local", std::move(session)}, {.limit = 500});
        co_return page ? page->page.messages : std::vector<StoredMessage>{};
    }
};

TEST_F(SessionServiceTest, AContinuationTellsOfItsOwnUseAndTheLedgerOfBothTurns) {
    run([this]() -> async::Task<void> {
        provider->script.push_back(
            {.reads = {FakeProvider::text("The first half of it, ")},
             .failure = models::Failure{models::FailureKind::broken, {.code = base::Errc::upstream_unavailable}}});
        const auto cut = co_await say("s", "Tell me.");
        EXPECT_EQ(cut->state, TurnState::failed);
        EXPECT_GT(cut->usage.output, 0) << "estimated";
        auto rest = FakeProvider::text("and the other.", chat::StopReason::end_turn);
        rest.usage = chat::Usage{.input = 100, .output = 7};
        provider->script.push_back({.reads = {std::move(rest)}});
        auto begun = co_await service.continue_turn({{"local", "s"}, cut->turn_id}, {});
        EXPECT_TRUE(begun.has_value());
        const auto whole = co_await begun->reader.wait_end(soon());
        EXPECT_EQ(whole->message, "The first half of it, and the other.");
        EXPECT_EQ(whole->usage, (chat::Usage{.input = 100, .output = 7}));
        const auto messages = co_await history("s");
        EXPECT_EQ(messages.size(), 2u);
        EXPECT_EQ(messages.back().usage, whole->usage);
        const auto usage = co_await service.usage({.owner = "local"});
        EXPECT_EQ(usage->total.turns, 2);
        EXPECT_EQ(usage->total.input_tokens, cut->usage.input + 100);
        EXPECT_EQ(usage->total.output_tokens, cut->usage.output + 7);
    });
}

TEST_F(SessionServiceTest, ATurnAddsTwoMessagesAndTheNextOneRemembersThem) {
    run([this]() -> async::Task<void> {
        const auto first = co_await say("s", "My name is Ada.");
        EXPECT_EQ(first->state, TurnState::completed);
        EXPECT_EQ(first->conversation_length, 2);
        EXPECT_EQ(first->model, "fake/m");
        EXPECT_TRUE(first->usage.estimated());
        const auto second = co_await say("s", "What is my name?");
        EXPECT_EQ(second->message, "3 messages, the last: What is my name?");
        EXPECT_EQ(second->conversation_length, 4);
        EXPECT_EQ(second->messages_sent, 3);
        EXPECT_EQ(provider->requests.back().system, "Be kind.");
        const auto stored = co_await history("s");
        EXPECT_EQ(stored.size(), 4u);
        EXPECT_EQ(stored[3].timestamp, second->timestamp);
        for (std::size_t i = 1; i < stored.size(); ++i) EXPECT_GT(stored[i].timestamp, stored[i - 1].timestamp);
    });
}

TEST_F(SessionServiceTest, ModelAndSystemStayUntilSentAgain) {
    run([this]() -> async::Task<void> {
        auto begun = service.begin(
            {.session_id = "s", .content = {chat::Text{"x"}}, .model = "fake/other", .system = "Be brief."});
        co_await begun->reader.wait_end(soon());
        const auto next = co_await say("s", "y");
        EXPECT_EQ(next->model, "fake/other");
        EXPECT_EQ(provider->requests.back().system, "Be brief.");
    });
}

TEST_F(SessionServiceTest, AnAnswerThatBreaksOffIsKeptAsFailed) {
    run([this]() -> async::Task<void> {
        provider->script.push_back(
            {.reads = {FakeProvider::text("Half an")},
             .failure = models::Failure{models::FailureKind::broken,
                                        {.code = base::Errc::upstream_unavailable, .message = "cut off"}}});
        const auto broken = co_await say("s", "x");
        EXPECT_EQ(broken->state, TurnState::failed);
        EXPECT_EQ(broken->error->code, base::Errc::upstream_unavailable);
        const auto stored = co_await history("s");
        EXPECT_EQ(stored[1].content, "Half an");
        EXPECT_EQ(stored[1].state, TurnState::failed);
        co_await say("s", "y");
        EXPECT_THAT(chat::text_of(provider->requests.back().messages[1].content), HasSubstr("was cut off"));
    });
}

TEST_F(SessionServiceTest, TooLongAContextIsAnsweredByOneMoreTryWithLess) {
    run([this]() -> async::Task<void> {
        for (int i = 0; i < 6; ++i) co_await say("s", std::string(400, 'x'));
        const models::Failure too_long{models::FailureKind::context_too_long,
                                       {.code = base::Errc::upstream_rejected, .message = "too long"}};
        provider->script.push_back({.refusal = too_long});
        const auto answered = co_await say("s", "again");
        EXPECT_EQ(answered->state, TurnState::completed);
        const auto& requests = provider->requests;
        EXPECT_LT(requests.back().messages.size(), requests[requests.size() - 2].messages.size());
        provider->script.push_back({.refusal = too_long});
        provider->script.push_back({.refusal = too_long});
        EXPECT_EQ((co_await say("s", "and again"))->error->code, base::Errc::upstream_rejected);
    });
}

TEST_F(SessionServiceTest, MessagesSentAtOnceAreAnsweredInTheirOrder) {
    run([this]() -> async::Task<void> {
        std::vector<BegunTurn> turns;
        for (int i = 0; i < 10; ++i) {
            auto begun = service.begin({.session_id = "s", .content = {chat::Text{"m" + std::to_string(i)}}});
            if (begun) turns.push_back(std::move(*begun));
        }
        EXPECT_EQ(turns.size(), 10u);
        for (auto& turn : turns) co_await turn.reader.wait_end(soon());
        const auto stored = co_await history("s");
        EXPECT_EQ(stored.size(), 20u);
        for (std::size_t i = 0; i < stored.size(); i += 2) EXPECT_EQ(stored[i].content, "m" + std::to_string(i / 2));
    });
}

TEST_F(SessionServiceTest, OnlySoManyMayWait) {
    run([this]() -> async::Task<void> {
        auto gate = async::Waiter::make(worker.executor());
        provider->script.push_back({.reads = {FakeProvider::text("late", chat::StopReason::end_turn)}, .gate = gate});
        std::vector<BegunTurn> turns;
        for (int i = 0; i < 17; ++i) {
            auto begun = service.begin({.session_id = "s", .content = {chat::Text{"m"}}});
            if (begun) turns.push_back(std::move(*begun));
        }
        const auto refused = service.begin({.session_id = "s", .content = {chat::Text{"one too many"}}});
        EXPECT_EQ(refused.error().code, base::Errc::conflict);
        EXPECT_TRUE(refused.error().retry_after.has_value());
        gate->wake();
        for (auto& turn : turns) co_await turn.reader.wait_end(soon());
        EXPECT_EQ((co_await history("s")).size(), 34u);
    });
}

TEST_F(SessionServiceTest, DeletingEndsTheRunningTurnFirst) {
    run([this]() -> async::Task<void> {
        provider->script.push_back({.reads = {FakeProvider::text("late", chat::StopReason::end_turn)},
                                    .gate = async::Waiter::make(worker.executor())});
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        co_await begun->reader.wait_start(soon());
        EXPECT_TRUE(co_await service.remove({"local", "s"}, soon()));
        EXPECT_EQ(begun->reader.result()->state, TurnState::cancelled);
        EXPECT_TRUE((co_await history("s")).empty());
        const auto again = co_await service.remove({"local", "s"}, soon());
        EXPECT_EQ(again.error().code, base::Errc::not_found);
    });
}

TEST_F(SessionServiceTest, AtShutdownRunningTurnsEndAsInterrupted) {
    run([this]() -> async::Task<void> {
        provider->script.push_back({.reads = {FakeProvider::text("late", chat::StopReason::end_turn)},
                                    .gate = async::Waiter::make(worker.executor())});
        auto begun = service.begin({.session_id = "s", .content = {chat::Text{"x"}}});
        co_await begun->reader.wait_start(soon());
        registry.close();
        EXPECT_EQ(service.begin({.content = {chat::Text{"new"}}}).error().code, base::Errc::unavailable);
        registry.stop_all(TurnState::interrupted);
        EXPECT_EQ((co_await begun->reader.wait_end(soon()))->state, TurnState::interrupted);
        EXPECT_EQ((co_await history("s"))[1].state, TurnState::interrupted);
    });
}

TEST_F(SessionServiceTest, ABugEndsItsTurnAndLeavesTheSessionUsable) {
    run([this]() -> async::Task<void> {
        provider->script.push_back({.throws = true});
        const auto broken = co_await say("s", "x");
        EXPECT_EQ(broken->state, TurnState::failed);
        EXPECT_EQ(broken->error->code, base::Errc::internal);
        EXPECT_EQ((co_await say("s", "y"))->state, TurnState::completed);
        // The turn that never ended is closed as interrupted when the next one begins.
        const auto stored = co_await history("s");
        EXPECT_EQ(stored.size(), 4u);
        EXPECT_EQ(stored[1].state, TurnState::interrupted);
    });
}

TEST_F(SessionServiceTest, DeletingIsPossibleHoweverManyWait) {
    run([this]() -> async::Task<void> {
        provider->script.push_back({.gate = async::Waiter::make(worker.executor())});
        std::vector<BegunTurn> turns;
        for (int i = 0; i < 17; ++i) {
            auto begun = service.begin({.session_id = "s", .content = {chat::Text{"m"}}});
            if (begun) turns.push_back(std::move(*begun));
        }
        co_await turns[0].reader.wait_start(soon());
        EXPECT_TRUE(co_await service.remove({"local", "s"}, soon()));
        for (auto& turn : turns) EXPECT_TRUE((co_await turn.reader.wait_end(soon()))->error);
        EXPECT_TRUE((co_await history("s")).empty());
    });
}

TEST_F(SessionServiceTest, NamesTheParametersThatWereLeftOut) {
    run([this]() -> async::Task<void> {
        auto begun = service.begin({.content = {chat::Text{"x"}}, .temperature = 0.5});
        const auto result = co_await begun->reader.wait_end(soon());
        EXPECT_EQ(result->ignored, std::vector<std::string>{"temperature"});
    });
}

TEST_F(SessionServiceTest, AnUnknownModelIsRefusedBeforeAnythingIsWritten) {
    run([this]() -> async::Task<void> {
        EXPECT_EQ(service.begin({.session_id = "s", .content = {chat::Text{"x"}}, .model = "nosuch/m"}).error().code,
                  base::Errc::invalid_request);
        EXPECT_EQ((co_await service.messages({"local", "s"}, {})).error().code, base::Errc::not_found);
        EXPECT_EQ(registry.size(), 0u);
    });
}

TEST_F(SessionServiceTest, ALongAnswerToALongQuestionCanBeContinuedWithTheHistoryBeforeThem) {
    run([this]() -> async::Task<void> {
        co_await say("s", "before");
        const std::string question(70'000, 'q'), half(70'000, 'a');
        provider->script.push_back(
            {.reads = {FakeProvider::text(half)},
             .failure = models::Failure{models::FailureKind::broken,
                                        {.code = base::Errc::upstream_unavailable, .message = "cut off"}}});
        const auto broken = co_await say("s", question);
        EXPECT_EQ(broken->state, TurnState::failed);
        provider->script.push_back({.reads = {FakeProvider::text("!", chat::StopReason::end_turn)}});
        auto begun = co_await service.continue_turn({{"local", "s"}, broken->turn_id}, {});
        EXPECT_TRUE(begun.has_value());
        if (!begun) co_return;
        const auto whole = co_await begun->reader.wait_end(soon());
        EXPECT_EQ(whole->state, TurnState::completed);
        EXPECT_EQ(whole->message, half + "!");
        EXPECT_EQ(whole->conversation_length, 4);
        const auto& asked = provider->requests.back().messages;
        EXPECT_EQ(chat::text_of(asked.front().content), "before");
        EXPECT_EQ(chat::text_of(asked[2].content), question);
    });
}

// -- more than text --------------------------------------------------------------------------------------------------

FakeProvider::Answer calling(std::string_view said, std::string_view arguments) {
    FakeProvider::Steps steps;
    steps.add(FakeProvider::Steps::Kind::text, 0, said);
    steps.add(FakeProvider::Steps::Kind::tool_call, 1, "weather", "c1");
    steps.add(FakeProvider::Steps::Kind::tool_arguments, 1, arguments);
    steps.finish = chat::StopReason::tool_use;
    return {.reads = {std::move(steps)}};
}

TEST_F(SessionServiceTest, AToolIsCalledAndItsResultAnswered) {
    run([this]() -> async::Task<void> {
        const chat::Tool tool{.name = "weather", .description = "", .schema = R"({"type":"object"})"};
        const chat::ToolChoice any{.kind = chat::ToolChoice::Kind::any, .name = {}};
        provider->script.push_back(calling("Let me see.", R"({"city":"Oslo"})"));
        const auto called = co_await ask(
            {.session_id = "s", .content = {chat::Text{"Is it warm?"}}, .tools = {tool}, .tool_choice = any});
        const chat::ToolCall call{.id = "c1", .name = "weather", .arguments = R"({"city":"Oslo"})"};
        const std::vector<chat::ContentBlock> said{chat::Text{"Let me see."}, call};
        EXPECT_EQ(called->message, "Let me see.");
        EXPECT_EQ(called->content, said);
        EXPECT_EQ(called->stop_reason, chat::StopReason::tool_use);
        EXPECT_EQ(provider->requests.back().tools, std::vector{tool});
        EXPECT_EQ(provider->requests.back().tool_choice, any);

        const std::vector<chat::ContentBlock> result{chat::ToolResult{.call_id = "c1", .content = {chat::Text{"-3"}}}};
        const auto answered = co_await ask({.session_id = "s", .content = result, .tools = {tool}});
        EXPECT_EQ(answered->state, TurnState::completed);
        const auto& asked = provider->requests.back().messages;
        EXPECT_EQ(asked.size(), 3u);
        EXPECT_EQ(asked[1].content, said);
        EXPECT_EQ(asked[2].content, result);
        const auto stored = co_await history("s");
        EXPECT_EQ(stored[1].blocks, said);
        EXPECT_EQ(stored[2].content, "");
        EXPECT_EQ(stored[2].blocks, result);
    });
}

TEST_F(SessionServiceTest, ImagesAreStoredAndComeBack) {
    run([this]() -> async::Task<void> {
        const std::vector<chat::ContentBlock> content{
            chat::Text{"What is this?"}, chat::Image{.media_type = "image/png", .base64 = "AAAA", .url = {}}};
        co_await ask({.session_id = "s", .content = content});
        co_await say("s", "Sure?");
        EXPECT_EQ(provider->requests.back().messages.front().content, content);
        EXPECT_EQ((co_await history("s")).front().content, "What is this?");
    });
}

}  // namespace
}  // namespace tertulia::sessions
