#include "tertulia/billing/bill.h"

#include <gtest/gtest.h>

#include <vector>

namespace tertulia::billing {
namespace {

TEST(Bill, a_turns_total_leaves_hedges_out_and_counts_them_apart) {
    const std::vector<Bill> bills{
        {.model = "a/x", .usage = {.input = 10, .output = 5}, .cost_nano = 100, .price_version = "1"},
        {.model = "b/y", .usage = {.input = 7}, .cost_nano = 30, .is_hedge = true, .price_version = "2"},
        {.model = "c/z",
         .usage = {.cache_read = 3, .cache_write = 4, .cache_write_long = 5, .reasoning = 6, .output_estimated = true},
         .cost_nano = 20,
         .price_version = "3"}};
    const BillTotal total = add_up(bills);
    const chat::Usage usage{.input = 10,
                            .cache_read = 3,
                            .cache_write = 4,
                            .cache_write_long = 5,
                            .output = 5,
                            .reasoning = 6,
                            .output_estimated = true};
    EXPECT_EQ(total, (BillTotal{.usage = usage, .cost_nano = 120, .hedge_nano = 30, .price_version = "3"}));
}

TEST(Bill, one_bill_without_a_price_makes_the_total_unknown) {
    const std::vector<Bill> bills{{.model = "a/x", .cost_nano = 100, .price_version = "1"}, {.model = "b/y"}};
    EXPECT_EQ(add_up(bills).cost_nano, std::nullopt);
}

TEST(Bill, a_hedge_without_a_price_does_not) {
    const std::vector<Bill> bills{{.model = "a/x", .cost_nano = 100}, {.model = "b/y", .is_hedge = true}};
    EXPECT_EQ(add_up(bills).cost_nano, 100);
}

TEST(Bill, no_bill_is_no_cost) {
    EXPECT_EQ(add_up({}), BillTotal{});
}

}  // namespace
}  // namespace tertulia::billing
