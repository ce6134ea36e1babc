#include "tertulia/storage/session_rules.h"

#include <gtest/gtest.h>

namespace tertulia::storage {
namespace {

TEST(PlaceBetween, is_greater_than_the_one_and_less_than_the_other) {
    struct Case {
        const char* last;
        const char* next;
        const char* place;
    };
    for (const Case& c : {
             Case{"2024-11-22T10:30:00.000001Z", "2024-11-22T10:30:09.000000Z", "2024-11-22T10:30:00.000002Z"},
             Case{"2024-11-22T10:30:00.000001Z", "2024-11-22T10:30:00.000002Z", "2024-11-22T10:30:00.000001Z0"},
             Case{"2024-11-22T10:30:00.000001Z", "2024-11-22T10:30:00.000001Z0", "2024-11-22T10:30:00.000001Z-"},
             Case{"2024-11-22T10:30:00.999999Z", "2024-11-22T10:30:01.000000Z", "2024-11-22T10:30:00.999999Z0"},
             Case{"2024-11-22T10:30:00Z", "2024-11-22T10:30:01Z", "2024-11-22T10:30:00Z0"},
         }) {
        const auto place = place_between(c.last, c.next);
        ASSERT_TRUE(place) << c.last << " " << c.next;
        EXPECT_EQ(*place, c.place);
        EXPECT_GT(*place, c.last);
        EXPECT_LT(*place, c.next);
    }
}

TEST(PlaceBetween, is_nothing_where_there_is_no_room) {
    EXPECT_FALSE(place_between("b", "b"));
    EXPECT_FALSE(place_between("b", "a"));
    EXPECT_FALSE(place_between("b", std::string_view("b\0", 2)));
}

TEST(SessionCursor, comes_back_as_it_was) {
    const auto cursor = parse_cursor(format_cursor({"2024-11-22T10:30:00.000001Z", "a:b.c-d_e"}));
    ASSERT_TRUE(cursor);
    EXPECT_EQ(cursor->last_activity, "2024-11-22T10:30:00.000001Z");
    EXPECT_EQ(cursor->session_id, "a:b.c-d_e");
    for (const char* text : {"", "~", "a", "~a", "a~"}) EXPECT_FALSE(parse_cursor(text)) << text;
}

TEST(ReadLimit, takes_the_first_message_whatever_its_size) {
    ReadLimit limit(2, 10);
    EXPECT_TRUE(limit.has_room());
    limit.add(5);
    EXPECT_TRUE(limit.has_room());
    limit.add(5);
    EXPECT_FALSE(limit.has_room());
    ReadLimit large(9, 10);
    large.add(1000);
    EXPECT_FALSE(large.has_room());
    EXPECT_FALSE(ReadLimit(0, 10).has_room());
}

}  // namespace
}  // namespace tertulia::storage
