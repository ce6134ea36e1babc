#include "tertulia/sessions/billed.h"

#include <gtest/gtest.h>

namespace tertulia::sessions {
namespace {

Billed two_bills() {
    return {.bills = {{.model = "a/b",
                       .usage = {.input = 1,
                                 .cache_read = 2,
                                 .cache_write = 300,
                                 .cache_write_long = 4,
                                 .output = 5'000'000'000,
                                 .reasoning = 6,
                                 .output_estimated = true},
                       .cost_nano = std::int64_t(1) << 50,
                       .price_version = "2025-11-26"},
                      {.model = "c/d", .usage = {.input = 7, .input_estimated = true}, .is_hedge = true}},
            .prompt_tokens = 1234};
}

TEST(Billed, IsTheSameAfterATextOfIt) {
    for (const Billed& billed : {Billed{}, Billed{.bills = {}, .prompt_tokens = 9}, two_bills()})
        EXPECT_EQ(Billed::from_text(billed.to_text()), billed);
}

TEST(Billed, IsNothingWhereTheTextIsCutOrGoesOnOrSaysTooMuch) {
    const std::string one = Billed{.bills = {two_bills().bills.front()}}.to_text();
    EXPECT_FALSE(Billed::from_text(""));
    for (std::size_t size = 2; size < one.size(); ++size) EXPECT_FALSE(Billed::from_text(one.substr(0, size))) << size;
    EXPECT_FALSE(Billed::from_text(one + "x"));
    const Billed beyond{.bills = {{.model = "a/b", .usage = {.input = (std::int64_t(1) << 50) + 1}}}};
    EXPECT_FALSE(Billed::from_text(beyond.to_text()));
}

}  // namespace
}  // namespace tertulia::sessions
