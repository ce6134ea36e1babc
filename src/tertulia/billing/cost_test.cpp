#include "tertulia/billing/cost.h"

#include <gtest/gtest.h>

#include <limits>

namespace tertulia::billing {
namespace {

constexpr Rates dollar_rates{.input = 3'000'000,
                             .cache_read = 300'000,
                             .cache_write = 3'750'000,
                             .cache_write_long = 6'000'000,
                             .output = 15'000'000};

TEST(Cost, every_class_has_its_rate_and_reasoning_costs_what_output_does) {
    const Price price{.rates = dollar_rates};
    struct Case {
        chat::Usage usage;
        std::int64_t nano;
    };
    for (const auto& [usage, nano] : std::initializer_list<Case>{
             {{}, 0},
             {{.input = 1}, 3'000},
             {{.cache_read = 1}, 300},
             {{.cache_write = 1}, 3'750},
             {{.cache_write_long = 1}, 6'000},
             {{.output = 1}, 15'000},
             {{.reasoning = 1}, 15'000},
             {{.input = 10, .cache_read = 1000, .cache_write = 20, .cache_write_long = 3, .output = 5, .reasoning = 7},
              30'000 + 300'000 + 75'000 + 18'000 + 75'000 + 105'000}})
        EXPECT_EQ(cost_nano(usage, price), nano);
}

TEST(Cost, is_rounded_half_up_once_and_not_for_each_class) {
    // 0.4 nano-dollars a token: two classes of one token make 0.8.
    EXPECT_EQ(cost_nano({.input = 1, .output = 1}, {.rates = {.input = 400, .output = 400}}), 1);
    EXPECT_EQ(cost_nano({.input = 1}, {.rates = {.input = 499}}), 0);
    EXPECT_EQ(cost_nano({.input = 1}, {.rates = {.input = 500}}), 1);
    EXPECT_EQ(cost_nano({.input = 3}, {.rates = {.input = 500}}), 2);
}

TEST(Cost, a_tier_is_for_the_whole_prompt_cached_tokens_counted) {
    const Price price{.rates = {.input = 1'000, .cache_read = 1'000, .output = 1'000},
                      .tiers = {{.above = 100, .rates = {.input = 2'000, .cache_read = 2'000, .output = 3'000}},
                                {.above = 200, .rates = {.input = 4'000, .cache_read = 4'000, .output = 5'000}}}};
    EXPECT_EQ(cost_nano({.input = 100, .output = 1'000}, price), 100 + 1'000);
    EXPECT_EQ(cost_nano({.input = 101, .output = 1}, price), 202 + 3);
    EXPECT_EQ(cost_nano({.input = 1, .cache_read = 100, .output = 1}, price), 202 + 3);
    EXPECT_EQ(cost_nano({.input = 200}, price), 400);
    EXPECT_EQ(cost_nano({.input = 201, .output = 2}, price), 804 + 10);
}

TEST(Cost, numbers_beyond_reason_do_not_overflow) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const Price dear{.rates = {.input = 1'000'000'000'000, .output = 1'000'000'000'000}};
    EXPECT_EQ(cost_nano({.input = most, .output = most, .reasoning = most}, dear), most);
    EXPECT_EQ(worst_case_nano(dear, most, most), most);
    EXPECT_EQ(cost_nano({.input = -5}, dear), 0);
}

TEST(Cost, the_worst_case_takes_the_dearer_of_reading_and_writing_and_rounds_up) {
    EXPECT_EQ(worst_case_nano({.rates = dollar_rates}, 100, 10), 375'000 + 150'000);
    EXPECT_EQ(worst_case_nano({.rates = {.input = 2'000, .cache_write = 1'000, .output = 1'000}}, 10, 1), 21);
    EXPECT_EQ(worst_case_nano({.rates = {.input = 1, .cache_write = 1}}, 1, 0), 1);
}

TEST(Cost, the_worst_case_covers_every_cost_of_the_same_size) {
    const Price price{
        .rates = {.input = 333, .cache_read = 33, .cache_write = 777, .cache_write_long = 777, .output = 1'234}};
    for (std::int64_t cached = 0; cached <= 50; ++cached)
        for (std::int64_t written = 0; cached + written <= 50; ++written)
            EXPECT_LE(cost_nano({.input = 50 - cached - written,
                                 .cache_read = cached,
                                 .cache_write = written,
                                 .output = 20 - written % 20,
                                 .reasoning = written % 20},
                                price),
                      worst_case_nano(price, 50, 20));
}

}  // namespace
}  // namespace tertulia::billing
