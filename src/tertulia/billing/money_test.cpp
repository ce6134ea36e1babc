#include "tertulia/billing/money.h"

#include <gtest/gtest.h>

#include <limits>

namespace tertulia::billing {
namespace {

TEST(Money, dollars_are_written_with_nine_decimals) {
    EXPECT_EQ(format_usd(0), "0.000000000");
    EXPECT_EQ(format_usd(123'000), "0.000123000");
    EXPECT_EQ(format_usd(1), "0.000000001");
    EXPECT_EQ(format_usd(12'345'678'901), "12.345678901");
    EXPECT_EQ(format_usd(-1'500'000'000), "-1.500000000");
    EXPECT_EQ(format_usd(std::numeric_limits<std::int64_t>::max()), "9223372036.854775807");
    EXPECT_EQ(format_usd(std::numeric_limits<std::int64_t>::min()), "-9223372036.854775808");
}

TEST(Money, prices_are_read_exactly) {
    EXPECT_EQ(parse_price("3.00"), 3'000'000);
    EXPECT_EQ(parse_price("3"), 3'000'000);
    EXPECT_EQ(parse_price("0.1"), 100'000);
    EXPECT_EQ(parse_price("0.00875"), 8'750);
    EXPECT_EQ(parse_price("0.000001"), 1);
    EXPECT_EQ(parse_price("0"), 0);
    EXPECT_EQ(parse_price("1000000"), 1'000'000'000'000);
}

TEST(Money, budgets_are_read_exactly) {
    EXPECT_EQ(parse_usd("0.10"), 100'000'000);
    EXPECT_EQ(parse_usd("25"), 25'000'000'000);
    EXPECT_EQ(parse_usd("0.000000001"), 1);
}

TEST(Money, what_is_not_a_plain_decimal_is_refused) {
    for (const char* text : {"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "0x1", "1.0000001", " 1", "1 ", "1000001",
                             "99999999999999999999", "1.2.3", "nan"})
        EXPECT_EQ(parse_price(text), std::nullopt) << text;
    EXPECT_EQ(parse_usd("0.0000000001"), std::nullopt);
    EXPECT_EQ(parse_usd("1000000001"), std::nullopt);
}

}  // namespace
}  // namespace tertulia::billing
