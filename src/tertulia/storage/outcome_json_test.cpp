#include "tertulia/storage/outcome_json.h"

#include <gtest/gtest.h>

namespace tertulia::storage {
namespace {

using sessions::TurnOutcome;

TEST(OutcomeJson, comes_back_as_it_was) {
    const std::vector<TurnOutcome> outcomes{
        {},
        {.conversation_length = 7, .messages_sent = 5, .messages_left_out = 2, .estimated_tokens = 1234},
        {.ignored = {"seed", "a \"b\" \xc3\xa9"}},
        {.price_version = "2026-11-25", .error = base::Error{}, .continues = "t-1", .told = "L0SM9cOFvHcCIhw="},
        {.error = base::Error{.code = base::Errc::rate_limited,
                              .message = "Too much\nat once",
                              .title = "Slower",
                              .retry_after = std::chrono::milliseconds(0),
                              .status = 422}},
        {.error = base::Error{.code = base::Errc::upstream_unavailable, .retry_after = std::chrono::seconds(90)}},
        {.error = base::Error{.code = base::Errc::budget_exceeded, .budget = base::BudgetLeft{}}},
        {.error = base::Error{.code = base::Errc::budget_exceeded,
                              .budget = base::BudgetLeft{.left_nano = 5, .renews_at_us = 1'732'320'000'000'000}}},
    };
    for (const TurnOutcome& outcome : outcomes) {
        const std::string json = outcome_to_json(outcome);
        EXPECT_EQ(outcome_from_json(json), outcome) << json;
    }
}

TEST(OutcomeJson, every_code_comes_back) {
    for (int i = 0; i <= static_cast<int>(base::Errc::internal); ++i) {
        const TurnOutcome outcome{.error = base::Error{.code = static_cast<base::Errc>(i)}};
        EXPECT_EQ(outcome_from_json(outcome_to_json(outcome)), outcome) << i;
    }
}

TEST(OutcomeJson, what_says_nothing_is_left_out) {
    EXPECT_EQ(outcome_to_json({}), "{}");
    EXPECT_EQ(outcome_to_json({.messages_sent = 3, .continues = "t"}), R"({"messages_sent":3,"continues":"t"})");
}

TEST(OutcomeJson, what_is_not_understood_keeps_its_default) {
    struct Case {
        const char* json;
        TurnOutcome outcome;
    };
    const std::vector<Case> cases{
        {"", {}},
        {"nonsense", {}},
        {"[]", {}},
        {R"({"messages_sent":"3","estimated_tokens":1.5,"ignored":"x","error":7,"continues":null,"new":1})", {}},
        {R"({"ignored":["a",1,null,"b"],"messages_sent":2})", {.messages_sent = 2, .ignored = {"a", "b"}}},
        {R"({"error":{}})", {.error = base::Error{}}},
        {R"({"error":{"code":"from_the_future","status":99999,"retry_after_ms":-1,"message":"m"}})",
         {.error = base::Error{.code = base::Errc::internal, .message = "m"}}},
    };
    for (const Case& c : cases) EXPECT_EQ(outcome_from_json(c.json), c.outcome) << c.json;
}

}  // namespace
}  // namespace tertulia::storage
