#include "tertulia/chat/content.h"

#include <gtest/gtest.h>

namespace tertulia::chat {
namespace {

using Blocks = std::vector<ContentBlock>;

TEST(Content, text_is_the_text_blocks_joined_with_nothing_between) {
    EXPECT_EQ(text_of({}), "");
    EXPECT_EQ(text_of({Text{"a"}, Thinking{"no", "", "x"}, Text{"b"}, ToolCall{"1", "f", "{}"}, Native{"{}", "x"}}),
              "ab");
}

TEST(Content, only_spaces_tabs_and_line_ends_are_blank) {
    for (const char* blank : {"", " ", " \t\r\n"}) EXPECT_TRUE(is_blank(blank));
    for (const char* text : {"x", " \n.", "\f", "\v", "\xc2\xa0"}) EXPECT_FALSE(is_blank(text));
}

TEST(Content, plain_text_is_exactly_one_text_block) {
    EXPECT_TRUE(is_plain_text({Text{"a"}}));
    EXPECT_FALSE(is_plain_text({}));
    EXPECT_FALSE(is_plain_text({Text{"a"}, Text{"b"}}));
    EXPECT_FALSE(is_plain_text({Native{"{}", "x"}}));
}

TEST(Content, blocks_come_back_from_the_store_as_they_went) {
    const Blocks table[] = {
        {},
        {Text{"one \"two\"\n\xe2\x80\xa8 \xf0\x9f\x98\x80"}},
        {Thinking{"because", "c2ln", "anthropic-messages"}, Text{"so"}},
        {ToolCall{"call_1", "f", R"({"a": 1.50})"}, ToolCall{"call_2", "g", R"({"cut":"o)"}},
        {Native{R"({"type":"redacted_thinking","data":"x\u0000"})", "anthropic-messages"}, Text{""}},
        {Image{.media_type = "image/png", .base64 = "aGk=", .url = {}}, Text{"what is it?"}},
        {Image{.media_type = {}, .base64 = {}, .url = "https://example.org/a.png"}},
        {Document{.media_type = "application/pdf", .base64 = "JVBERg==", .url = {}, .name = "a \"b\".pdf"}},
        {ToolResult{.call_id = "call_1",
                    .content = {Text{"42"}, Image{.media_type = "image/png", .base64 = "aGk=", .url = {}},
                                Document{.media_type = "text/plain", .base64 = "aGk=", .url = {}, .name = {}}},
                    .is_error = true},
         ToolResult{.call_id = "call_2", .content = {}}},
    };
    for (const Blocks& blocks : table) {
        const std::string json = blocks_to_json(blocks);
        EXPECT_EQ(blocks_from_json(json), blocks) << json;
    }
}

TEST(Content, has_a_stable_form_in_the_store) {
    EXPECT_EQ(blocks_to_json({Text{"a"}, ToolCall{"1", "f", "{}"}}),
              R"([{"type":"text","text":"a"},{"type":"tool_call","id":"1","name":"f","arguments":"{}"}])");
}

TEST(Content, blocks_of_a_newer_version_are_left_out) {
    const std::pair<const char*, Blocks> table[] = {
        {"", {}},
        {"{}", {}},
        {"[1,null,[]]", {}},
        {R"([{"type":"hologram","text":"x"},{"type":"text","text":"kept"}])", {Text{"kept"}}},
        {R"([{"type":"text"},{"type":"text","text":7},{"text":"x"}])", {}},
        {R"([{"type":"text","text":"kept","new":1}])", {Text{"kept"}}},
        {R"([{"type":"text","text":"cut)", {}},
    };
    for (const auto& [json, blocks] : table) EXPECT_EQ(blocks_from_json(json), blocks) << json;
}

}  // namespace
}  // namespace tertulia::chat
