#include "tertulia/base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>

namespace tertulia::base {
namespace {

TEST(NearestName, FindsTheSlipOfAFinger) {
    constexpr std::array<std::string_view, 4> known{"message", "session_id", "stream", "max_tokens"};
    EXPECT_EQ(nearest_name("mesage", known), "message");
    EXPECT_EQ(nearest_name("max_token", known), "max_tokens");
    EXPECT_EQ(nearest_name("sesion", known), "session_id");
    EXPECT_EQ(nearest_name("colour", known), "");
    EXPECT_EQ(nearest_name("", known), "");
    EXPECT_EQ(nearest_name(std::string(10'000, 'x'), known), "");
    EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace tertulia::base
