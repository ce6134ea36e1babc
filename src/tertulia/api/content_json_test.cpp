#include "tertulia/api/content_json.h"

#include <gtest/gtest.h>

#include <boost/json/value.hpp>

#include "tertulia/api/content_request.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using Blocks = std::vector<chat::ContentBlock>;

std::string text(const Blocks& blocks) {
    std::string out;
    append_blocks(out, blocks);
    return out;
}

TEST(ContentJson, a_request_s_blocks_come_back_as_they_were_sent) {
    const Blocks blocks{chat::Text{"a \"b\""}, chat::Image{.media_type = "image/png", .base64 = "AAAA", .url = {}},
                        chat::Document{.media_type = {}, .base64 = {}, .url = "https://x.org/", .name = "x"},
                        chat::ToolResult{.call_id = "c", .content = {chat::Text{"no"}}, .is_error = true},
                        chat::ToolResult{.call_id = "d", .content = {}}};
    EXPECT_EQ(*read_content(*base::parse_json(text(blocks))), blocks);
    EXPECT_EQ(text({}), "[]");
}

TEST(ContentJson, a_call_s_arguments_are_an_object_and_on_one_line_and_a_string_where_they_are_none) {
    const auto input = [](std::string arguments) {
        return text({chat::ToolCall{.id = "c", .name = "n", .arguments = std::move(arguments)}});
    };
    const std::string head = R"([{"type":"tool_use","id":"c","name":"n","input":)";
    EXPECT_EQ(input("{}"), head + "{}}]");
    EXPECT_EQ(input("{\n  \"a\\\" b\": [1, 12345678901234567890.5]\r\n}"),
              head + R"({"a\" b":[1,12345678901234567890.5]}}])");
    EXPECT_EQ(input("{\"a\":"), head + R"("{\"a\":"}])");
    EXPECT_EQ(input("[1]"), head + R"("[1]"}])");
}

TEST(ContentJson, what_only_its_maker_can_read_is_named_and_not_shown) {
    EXPECT_EQ(text({chat::Thinking{"hm", "secret", "m"}, chat::Native{"{\"x\":1}", "m"}}),
              R"([{"type":"thinking","thinking":"hm"},{"type":"opaque","maker":"m"}])");
}

}  // namespace
}  // namespace tertulia::api
