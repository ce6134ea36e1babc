#include "tertulia/sessions/direct_answer.h"

#include <gtest/gtest.h>

#include "tests/support/test_service.h"

namespace tertulia::sessions {
namespace {

using test::FakeProvider;
using test::soon;
using test::TestService;

chat::Message message(chat::Role role, std::string_view text) {
    return {.role = role, .content = {chat::Text{std::string(text)}}};
}

DirectQuestion question(std::string_view text) {
    return {.system = "Be brief.", .messages = {message(chat::Role::user, text)}};
}

models::Failure overloaded() {
    return {models::FailureKind::overloaded, {.code = base::Errc::upstream_unavailable, .message = "busy"}};
}

FakeProvider::Answer counted(std::string_view said) {
    FakeProvider::Answer answer = FakeProvider::whole(said);
    answer.reads[0].usage = chat::Usage{.input = 1000, .output = 100};
    return answer;
}

TEST(DirectAnswer, is_asked_with_nothing_but_what_was_given) {
    TestService service({.default_model = "fake/m", .default_system = "The server's own."});
    service.provider->script.push_back(counted("Four."));
    service.run([&]() -> async::Task<void> {
        const auto answer = co_await service.service.ask_directly(question("2 + 2?"), {}, soon());
        EXPECT_TRUE(answer) << answer.error().message;
        if (!answer) co_return;
        EXPECT_EQ(answer->text, "Four.");
        EXPECT_EQ(answer->model, "fake/m");
        EXPECT_EQ(answer->stop_reason, chat::StopReason::end_turn);
        EXPECT_EQ(answer->usage.input, 1000);
        EXPECT_EQ(answer->usage.output, 100);
        EXPECT_EQ(answer->attempts.size(), 1u);
        EXPECT_EQ(answer->attempts[0].outcome, "ok");
        const auto sessions = co_await service.store.sessions(std::string(local_owner), 10, "");
        EXPECT_TRUE(sessions->sessions.empty());
    });
    ASSERT_EQ(service.provider->requests.size(), 1u);
    EXPECT_EQ(service.provider->requests[0].system, "Be brief.");
    EXPECT_EQ(service.provider->requests[0].model, "m");
}

TEST(DirectAnswer, is_tried_again_and_begins_anew) {
    TestService service({.default_model = "fake/m"}, {}, {}, {.attempts = 3, .base = base::Milliseconds(1)});
    service.provider->script.push_back({.refusal = overloaded()});
    service.provider->script.push_back(FakeProvider::whole("At last."));
    service.run([&]() -> async::Task<void> {
        const auto answer = co_await service.service.ask_directly(question("Hello?"), {}, soon());
        EXPECT_TRUE(answer);
        if (answer) EXPECT_EQ(answer->text, "At last.");
        if (answer) EXPECT_EQ(answer->attempts.size(), 2u);
    });
}

TEST(DirectAnswer, a_failover_in_mid_answer_keeps_nothing_of_it) {
    TestService service;
    auto other = std::make_unique<FakeProvider>();
    FakeProvider* const second = other.get();
    service.models.add("other", {.provider = std::move(other)});
    ASSERT_TRUE(service.models.add_route("both", {"fake/m", "other/n"}, {}));
    service.provider->script.push_back({.reads = {FakeProvider::text("Half of ")}, .failure = overloaded()});
    second->script.push_back(FakeProvider::whole("The whole answer."));
    service.run([&]() -> async::Task<void> {
        DirectQuestion asked = question("Hello?");
        asked.model = "both";
        const auto answer = co_await service.service.ask_directly(std::move(asked), {}, soon());
        EXPECT_TRUE(answer) << answer.error().message;
        if (answer) EXPECT_EQ(answer->text, "The whole answer.");
        if (answer) EXPECT_EQ(answer->model, "other/n");
    });
    EXPECT_EQ(second->requests.at(0).messages.size(), 1u);
}

TEST(DirectAnswer, failures_are_those_of_the_provider) {
    TestService service;
    service.run([&]() -> async::Task<void> {
        service.provider->script.push_back({.refusal = overloaded()});
        const auto busy = co_await service.service.ask_directly(question("?"), {}, soon());
        EXPECT_FALSE(busy);
        if (!busy) EXPECT_EQ(busy.error().code, base::Errc::upstream_unavailable);

        DirectQuestion unknown = question("?");
        unknown.model = "nobody/x";
        const auto nobody = co_await service.service.ask_directly(std::move(unknown), {}, soon());
        EXPECT_FALSE(nobody);
        if (!nobody) EXPECT_EQ(nobody.error().code, base::Errc::invalid_request);

        service.limits.set_window("fake/m", 100);
        const auto long_one = co_await service.service.ask_directly(question(std::string(4000, 'x')), {}, soon());
        EXPECT_FALSE(long_one);
        if (!long_one) EXPECT_EQ(long_one.error().code, base::Errc::too_large);
    });
    EXPECT_EQ(service.provider->requests.size(), 1u);
}

TEST(DirectAnswer, is_paid_from_the_owners_budget) {
    TestService service({.default_model = "anthropic/claude-haiku-4-5"}, {}, {{.limit_nano = 30'000'000}});
    auto priced = std::make_unique<FakeProvider>();
    FakeProvider* const provider = priced.get();
    service.models.add("anthropic", {.provider = std::move(priced)});
    service.run([&]() -> async::Task<void> {
        provider->script.push_back(counted("One."));
        const auto first = co_await service.service.ask_directly(question("?"), {}, soon());
        EXPECT_TRUE(first) << first.error().message;
        if (first) EXPECT_GT(first->cost_nano.value_or(0), 0);
        provider->script.push_back(counted("Dear."));
        provider->script.back().reads[0].usage->output = 10'000;
        EXPECT_TRUE(co_await service.service.ask_directly(question("?"), {}, soon()));
        const auto over = co_await service.service.ask_directly(question("?"), {}, soon());
        EXPECT_FALSE(over);
        if (!over) EXPECT_EQ(over.error().code, base::Errc::budget_exceeded);
    });
    EXPECT_EQ(provider->requests.size(), 2u);
}

}  // namespace
}  // namespace tertulia::sessions
