#include "tertulia/billing/price_table.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

namespace tertulia::billing {
namespace {

using testing::HasSubstr;

PriceTable parsed(std::string_view json) {
    return PriceTable::parse(json).value();
}

TEST(PriceTable, a_row_is_read_exactly_and_what_is_missing_of_the_cache_is_filled_in) {
    const PriceTable table = parsed(R"({"version": "2026-01-02", "prices": {
        "a/full": {"input": "3.00", "cache_read": "0.30", "cache_write": "3.75", "cache_write_long": "6", "output": "15"},
        "a/bare": {"input": "0.1", "output": "0.2"},
        "a/write": {"input": "1", "cache_write": "1.25", "output": "2"}}})");
    EXPECT_EQ(table.version(), "2026-01-02");
    ASSERT_EQ(table.size(), 3U);
    EXPECT_EQ(table.find("a/full")->rates, (Rates{.input = 3'000'000,
                                                  .cache_read = 300'000,
                                                  .cache_write = 3'750'000,
                                                  .cache_write_long = 6'000'000,
                                                  .output = 15'000'000}));
    EXPECT_EQ(table.find("a/full")->version, "2026-01-02");
    EXPECT_EQ(table.find("a/bare")->rates, (Rates{.input = 100'000,
                                                  .cache_read = 100'000,
                                                  .cache_write = 100'000,
                                                  .cache_write_long = 100'000,
                                                  .output = 200'000}));
    EXPECT_EQ(table.find("a/write")->rates.cache_read, 1'000'000);
    EXPECT_EQ(table.find("a/write")->rates.cache_write_long, 1'250'000);
    EXPECT_EQ(table.find("a/other"), nullptr);
}

TEST(PriceTable, tiers_begin_above_their_size) {
    const PriceTable table = parsed(R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "2", "tiers": [
        {"above": 10, "input": "3", "output": "4"}, {"above": 20, "input": "5", "output": "6"}]}}})");
    const Price& price = *table.find("a/x");
    for (const auto& [tokens, input] : std::vector<std::pair<std::int64_t, std::int64_t>>{
             {0, 1'000'000}, {10, 1'000'000}, {11, 3'000'000}, {20, 3'000'000}, {21, 5'000'000}})
        EXPECT_EQ(price.at(tokens).input, input) << tokens;
}

TEST(PriceTable, what_is_wrong_is_named) {
    for (
        const auto& [json, message] : std::vector<std::pair<const char*, const char*>>{
            {"", "byte"},
            {"[]", "version"},
            {R"({"prices": {}})", "version"},
            {R"({"version": 1, "prices": {}})", "version"},
            {R"({"version": "v"})", "prices"},
            {R"({"version": "v", "prices": {"gpt-5": {"input": "1", "output": "1"}}})", "gpt-5: a model's name"},
            {R"({"version": "v", "prices": {"a/x": []}})", "a/x: must be an object"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1"}}})", "a/x: input and output are needed"},
            {R"({"version": "v", "prices": {"a/x": {"input": 1, "output": "1"}}})", "a/x: input must be a string"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1e3", "output": "1"}}})", "a/x: input must be a string"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "1", "inptu": "2"}}})",
             "unknown member inptu"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "1", "above": 2}}})",
             "unknown member above"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "1", "tiers": {}}}})",
             "tiers must be an array"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "1", "tiers": [{"input": "1", "output": "1"}]}}})",
             "above"},
            {R"({"version": "v", "prices": {"a/x": {"input": "1", "output": "1",
                 "tiers": [{"above": 2, "input": "1", "output": "1"}, {"above": 2, "input": "1", "output": "1"}]}}})",
             "greater than the last"}}) {
        const auto table = PriceTable::parse(json);
        ASSERT_FALSE(table) << json;
        EXPECT_EQ(table.error().code, base::Errc::invalid_request);
        EXPECT_THAT(table.error().message, HasSubstr(message)) << json;
    }
}

TEST(PriceTable, the_rows_of_another_go_before) {
    PriceTable table = parsed(R"({"version": "old", "prices": {"a/x": {"input": "1", "output": "1"},
                                                               "a/y": {"input": "1", "output": "1"}}})");
    table.merge(parsed(R"({"version": "new", "prices": {"a/x": {"input": "2", "output": "2"}}})"));
    EXPECT_EQ(table.version(), "new");
    EXPECT_EQ(table.find("a/x")->rates.input, 2'000'000);
    EXPECT_EQ(table.find("a/x")->version, "new");
    EXPECT_EQ(table.find("a/y")->version, "old");
}

TEST(PriceTable, the_shipped_one_knows_the_usual_models) {
    const PriceTable& table = PriceTable::shipped();
    struct Case {
        const char* model;
        std::int64_t input;
        std::int64_t cache_read;
        std::int64_t output;
    };
    for (const auto& [model, input, cache_read, output] : std::initializer_list<Case>{
             {"anthropic/claude-sonnet-4-5", 3'000'000, 300'000, 15'000'000},
             {"anthropic/claude-sonnet-4-5-20250929", 3'000'000, 300'000, 15'000'000},
             {"anthropic/claude-haiku-4-5-20251001", 1'000'000, 100'000, 5'000'000},
             {"anthropic/claude-3-5-sonnet-20241022", 3'000'000, 300'000, 15'000'000},
             {"anthropic/claude-3-haiku-20240307", 250'000, 30'000, 1'250'000},
             {"openai/gpt-5-mini", 250'000, 25'000, 2'000'000},
             {"openai/gpt-5-nano-2025-08-07", 50'000, 5'000, 400'000},
             {"openai/gpt-4o-2024-05-13", 5'000'000, 5'000'000, 15'000'000},
             {"openai/gpt-4o-2024-11-20", 2'500'000, 1'250'000, 10'000'000},
             {"openai/o3", 2'000'000, 500'000, 8'000'000},
             {"openai-responses/gpt-5", 1'250'000, 125'000, 10'000'000},
             {"bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", 3'300'000, 330'000, 16'500'000},
             {"bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3'300'000, 330'000, 16'500'000},
             {"bedrock/global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3'000'000, 300'000, 15'000'000},
             {"bedrock-invoke/eu.anthropic.claude-haiku-4-5-20251001-v1:0", 1'100'000, 110'000, 5'500'000},
             {"bedrock/us.amazon.nova-lite-v1:0", 60'000, 15'000, 240'000},
             {"bedrock/arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-3-70b-instruct-v1:0", 720'000, 720'000,
              720'000},
             {"deepseek/deepseek-chat", 280'000, 28'000, 420'000}}) {
        const Price* price = table.find(model);
        ASSERT_NE(price, nullptr) << model;
        EXPECT_EQ(price->rates.input, input) << model;
        EXPECT_EQ(price->rates.cache_read, cache_read) << model;
        EXPECT_EQ(price->rates.output, output) << model;
        EXPECT_EQ(price->version, table.version());
    }
    EXPECT_EQ(table.find("anthropic/claude-sonnet-4-5")->at(200'001).input, 6'000'000);
    EXPECT_EQ(table.find("anthropic/claude-sonnet-4-5")->rates.cache_write_long, 6'000'000);
    for (const char* model : {"openai/gpt-5-turbo", "local/model", "openai/claude-sonnet-4-5", "gpt-5", "openai/",
                              "bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/x"})
        EXPECT_EQ(table.find(model), nullptr) << model;
}

}  // namespace
}  // namespace tertulia::billing
