#include "tertulia/api/event_stream.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

TEST(EventStream, an_events_id_names_its_turn_and_number) {
    const std::string longest(64, 't');
    const std::vector<std::tuple<std::string, std::string, std::uint32_t>> cases = {
        {"t_1:12", "t_1", 12}, {"t_1:0", "t_1", 0},
        {"t_1:007", "t_1", 7}, {"t_1:4294967295", "t_1", 4294967295},
        {"a:b:3", "a:b", 3},   {longest + ":1", longest, 1},
    };
    for (const auto& [text, turn, number] : cases) {
        const auto id = parse_event_id(text);
        ASSERT_TRUE(id) << text;
        EXPECT_EQ(id->turn_id, turn);
        EXPECT_EQ(id->number, number);
    }
}

TEST(EventStream, anything_else_is_no_events_id) {
    for (const std::string& text :
         {std::string(), std::string(":"), std::string("12"), std::string("t_1"), std::string("t_1:"),
          std::string(":12"), std::string("t_1:x"), std::string("t_1:12x"), std::string("t_1:-1"),
          std::string("t_1:+1"), std::string("t_1: 1"), std::string("t_1:1 "), std::string("t_1:1.0"),
          std::string("t_1:0x1"), std::string("t_1:4294967296"), std::string("t_1:99999999999999999999"),
          std::string(65, 't') + ":1", std::string("t_1:1\0", 6)})
        EXPECT_FALSE(parse_event_id(text)) << text;
}

}  // namespace
}  // namespace tertulia::api
