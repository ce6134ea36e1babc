#include "tertulia/cli/usage_table.h"

#include <gtest/gtest.h>

namespace tertulia::cli {
namespace {

TEST(UsageTable, shows_the_groups_the_figures_and_the_total) {
    EXPECT_EQ(usage_table(R"({"rows": [
        {"model": "openai/gpt-5", "day": "2024-11-22", "turns": 12, "input_tokens": 3400, "cache_read_tokens": 0,
         "cache_write_tokens": 0, "output_tokens": 56, "reasoning_tokens": 7, "usd": "0.000123000",
         "hedge_usd": "0.000000000"},
        {"model": "a/b", "day": "2024-11-23", "turns": 1, "input_tokens": 1, "cache_read_tokens": 0,
         "cache_write_tokens": 0, "output_tokens": 2, "reasoning_tokens": 0, "usd": "10.000000000",
         "hedge_usd": "0.000000000"}],
        "total": {"turns": 13, "input_tokens": 3401, "cache_read_tokens": 0, "cache_write_tokens": 0,
         "output_tokens": 58, "reasoning_tokens": 7, "usd": "10.000123000", "hedge_usd": "0.000000000"}})")
                  .value(),
              "model         day         turns  input  output  reasoning           usd\n"
              "openai/gpt-5  2024-11-22     12   3400      56          7   0.000123000\n"
              "a/b           2024-11-23      1      1       2          0  10.000000000\n"
              "total                        13   3401      58          7  10.000123000\n");
}

TEST(UsageTable, says_how_many_turns_have_no_price) {
    EXPECT_EQ(usage_table(R"({"rows": [{"model": "a/b", "turns": 2, "usd": "0.000000000", "unpriced_turns": 2},
                                       {"model": "c/d", "turns": 1, "usd": "0.000000001"}],
                              "total": {"turns": 3, "usd": "0.000000001", "unpriced_turns": 2}})")
                  .value(),
              "model  turns  input  output          usd  without price\n"
              "a/b        2      0       0  0.000000000              2\n"
              "c/d        1      0       0  0.000000001              0\n"
              "total      3      0       0  0.000000001              2\n");
}

TEST(UsageTable, without_groups_or_rows_there_is_the_total) {
    constexpr const char* total =
        "turns  input  output          usd\n"
        "    0      0       0  0.000000000\n";
    EXPECT_EQ(usage_table(R"({"rows": [{"turns": 0}], "total": {"turns": 0, "usd": "0.000000000"}})").value(), total);
    EXPECT_EQ(usage_table(R"({"rows": [], "total": {"turns": 0, "usd": "0.000000000"}})").value(), total);
}

TEST(UsageTable, steers_no_terminal) {
    const auto table = usage_table(R"({"rows": [{"model": "a\u001b[2J/b\n"}], "total": {}})");
    EXPECT_EQ(table.value().find('\x1b'), std::string::npos);
    EXPECT_NE(table.value().find("a[2J/b"), std::string::npos);
}

TEST(UsageTable, takes_nothing_else) {
    for (const char* answer : {"", "[]", "{}", R"({"rows": {}, "total": {}})", R"({"rows": [], "total": 1})"})
        EXPECT_FALSE(usage_table(answer)) << answer;
}

}  // namespace
}  // namespace tertulia::cli
