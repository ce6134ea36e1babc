#include "tertulia/api/session_handlers.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

TEST(SessionQueries, a_limit_is_a_whole_number_from_1_to_500) {
    EXPECT_EQ(*parse_limit({}), 50);
    EXPECT_EQ(*parse_limit("1"), 1);
    EXPECT_EQ(*parse_limit("500"), 500);
    for (const std::string given :
         {"", "0", "-1", "501", "abc", "1e3", "1.0", " 1", "1 ", "+1", "0x10", "99999999999999999999"}) {
        const auto limit = parse_limit(given);
        ASSERT_FALSE(limit.has_value()) << given;
        EXPECT_EQ(limit.error().code, base::Errc::invalid_request);
    }
}

TEST(SessionQueries, a_place_is_a_timestamp_in_any_form) {
    EXPECT_EQ(*parse_place("after", {}), "");
    EXPECT_EQ(*parse_place("after", ""), "");
    for (const std::string given :
         {"2024-11-22T10:30:00.000000Z", "2024-11-22T10:30:00+00:00", "2024-11-22T10:30:00", "2024"})
        EXPECT_EQ(*parse_place("after", given), given);
}

TEST(SessionQueries, what_is_no_timestamp_is_refused_by_name) {
    const std::string too_long(41, '2');
    for (const std::string& given :
         {std::string("abc"), std::string("2024-11-22T10:30:00.000000Z'--"), std::string("2024\n"), too_long}) {
        const auto place = parse_place("before", given);
        ASSERT_FALSE(place.has_value()) << given;
        EXPECT_NE(place.error().message.find("'before'"), std::string::npos);
    }
}

}  // namespace
}  // namespace tertulia::api
