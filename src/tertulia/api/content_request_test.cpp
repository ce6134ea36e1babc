#include "tertulia/api/content_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/value.hpp>

#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using testing::HasSubstr;
using Blocks = std::vector<chat::ContentBlock>;

base::Result<Blocks> read(const std::string& text) {
    const auto value = base::parse_json(text);
    EXPECT_TRUE(value.has_value()) << text;
    return read_content(*value);
}

TEST(ContentRequest, reads_blocks_of_all_types) {
    const auto blocks = read(R"([
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png?x=1"}},
        {"type": "document", "name": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="}},
        {"type": "document", "name": null, "source": {"type": "url", "url": "https://example.com/b.pdf"}},
        {"type": "tool_result", "tool_use_id": "c1", "content": "42"},
        {"type": "tool_result", "tool_use_id": "c2", "is_error": true, "content": [
            {"type": "text", "text": "no"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"}}]},
        {"type": "tool_result", "tool_use_id": "c3"}])");
    ASSERT_TRUE(blocks.has_value()) << blocks.error().message;
    const chat::Image picture{.media_type = "image/webp", .base64 = "AAAA", .url = {}};
    EXPECT_EQ(*blocks,
              (Blocks{chat::Text{"What is this?"}, chat::Image{.media_type = "image/png", .base64 = "AAAA", .url = {}},
                      chat::Image{.media_type = {}, .base64 = {}, .url = "https://example.com/a.png?x=1"},
                      chat::Document{.media_type = "application/pdf", .base64 = "AA==", .url = {}, .name = "a.pdf"},
                      chat::Document{.media_type = {}, .base64 = {}, .url = "https://example.com/b.pdf", .name = {}},
                      chat::ToolResult{.call_id = "c1", .content = {chat::Text{"42"}}},
                      chat::ToolResult{.call_id = "c2", .content = {chat::Text{"no"}, picture}, .is_error = true},
                      chat::ToolResult{.call_id = "c3", .content = {}}}));
}

std::string image(const std::string& source) {
    return R"([{"type":"image","source":)" + source + "}]";
}

std::string many(int count, const std::string& block) {
    std::string text = "[";
    for (int i = 0; i < count; ++i) text += (i ? "," : "") + block;
    return text + "]";
}

TEST(ContentRequest, what_is_wrong_is_said_with_its_place) {
    const std::string text_block = R"({"type":"text","text":"x"})";
    const std::string image_block = R"({"type":"image","source":{"type":"url","url":"https://x.org/"}})";
    const std::pair<std::string, std::string> cases[] = {
        {R"("Hi")", "'content' must be a list of 1 to 256 blocks"},
        {"[]", "'content' must be a list of 1 to 256 blocks"},
        {many(257, text_block), "'content' must be a list of 1 to 256 blocks"},
        {many(101, image_block), "'content' must hold at most 100 images and documents"},
        {R"(["Hi"])", "'content[0]' must be an object"},
        {R"([{"text":"Hi"}])", "'content[0].type' must be \"text\", \"image\", \"document\" or \"tool_result\""},
        {R"([{"type":"thinking","thinking":"hm"}])", "'content[0].type' must be"},
        {R"([{"type":"tool_use","id":"c","name":"n","input":{}}])", "'content[0].type' must be"},
        {"[" + text_block + R"(,{"type":"text"}])", "'content[1].text' must be a string"},
        {R"([{"type":"text","text":" \n"}])", "'content[0].text' must not be blank"},
        {R"([{"type":"text","text":"x","txet":1}])", "'content[0].txet' is unknown. Did you mean 'text'?"},
        {R"([{"type":"image"}])", "'content[0].source' must be an object"},
        {image("{}"), "'content[0].source.type' must be \"base64\" or \"url\""},
        {image(R"({"type":"file"})"), "'content[0].source.type' must be \"base64\" or \"url\""},
        {image(R"({"type":"base64","media_type":"image/bmp","data":"AAAA"})"),
         "'content[0].source.media_type' must be one of image/png, image/jpeg, image/gif, image/webp"},
        {image(R"({"type":"base64","data":"AAAA"})"), "'content[0].source.media_type' must be a string"},
        {image(R"({"type":"base64","media_type":"image/png"})"), "'content[0].source.data' must be a string"},
        {image(R"({"type":"base64","media_type":"image/png","data":""})"), "'content[0].source.data' must be base64"},
        {image(R"({"type":"base64","media_type":"image/png","data":"AAA"})"),
         "'content[0].source.data' must be base64"},
        {image(R"({"type":"base64","media_type":"image/png","data":"AA\nAA"})"), "must be base64"},
        {image(R"({"type":"base64","media_type":"image/png","data":"AA-_"})"), "must be base64"},
        {image(R"({"type":"base64","media_type":"image/png","data":"AAAA","url":"https://x.org/"})"),
         "'content[0].source.url' is unknown"},
        {image(R"({"type":"url","url":"http://example.com/a.png"})"),
         "'content[0].source.url' must be an https URL: the provider fetches it"},
        {image(R"({"type":"url","url":"file:///etc/passwd"})"), "'content[0].source.url' must be an https URL."},
        {image(R"({"type":"url","url":"https://user@example.com/"})"), "'content[0].source.url' must be an https URL."},
        {image(R"({"type":"url","url":7})"), "'content[0].source.url' must be an https URL."},
        {image(R"({"type":"url","url":"https://example.com/)" + std::string(4096, 'x') + "\"}"), "4096 bytes"},
        {R"([{"type":"document","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}])",
         "'content[0].source.media_type' must be one of application/pdf"},
        {R"([{"type":"document","name":"","source":{"type":"url","url":"https://x.org/"}}])",
         "'content[0].name' must have 1 to 200 bytes"},
        {R"([{"type":"tool_result"}])", "'content[0].tool_use_id' must be the id of a tool call"},
        {R"([{"type":"tool_result","tool_use_id":"c","is_error":"no"}])",
         "'content[0].is_error' must be true or false"},
        {R"([{"type":"tool_result","tool_use_id":"c","content":7}])",
         "'content[0].content' must be a string or a list of at most 64 blocks"},
        {R"([{"type":"tool_result","tool_use_id":"c","content":[{"type":"tool_result","tool_use_id":"d"}]}])",
         "'content[0].content[0].type' must be \"text\", \"image\" or \"document\""},
        {R"([{"type":"tool_result","tool_use_id":"c","content":[{"type":"image","source":{"type":"url","url":"x"}}]}])",
         "'content[0].content[0].source.url' must be an https URL."},
    };
    for (const auto& [text, part] : cases) {
        const auto blocks = read(text);
        ASSERT_FALSE(blocks.has_value()) << text.substr(0, 200);
        EXPECT_EQ(blocks.error().code, base::Errc::invalid_request);
        EXPECT_THAT(blocks.error().message, HasSubstr(part)) << text.substr(0, 200);
    }
    EXPECT_TRUE(read(many(256, text_block)));
    EXPECT_TRUE(read(many(100, image_block)));
}

}  // namespace
}  // namespace tertulia::api
