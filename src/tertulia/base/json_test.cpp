#include "tertulia/base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

using testing::HasSubstr;

TEST(ParseJson, TakesOneWholeValue) {
    const auto value = parse_json(R"( {"a": [1, 2.5, null, true], "b": "\ud83d\ude00\u0000"} )");
    ASSERT_TRUE(value);
    EXPECT_EQ(value->at("b").as_string(), boost::json::string_view("\xf0\x9f\x98\x80\0", 5));
}

TEST(ParseJson, SaysWhatIsWrongAndWhere) {
    const struct {
        std::string text;
        const char* says;
    } table[] = {
        {R"({"message":"x",})", "15"},
        {R"({"message":"x"} {})", "16"},
        {R"({"message": "x")", "byte 15"},
        {"", "byte 0"},
        {"{'a':1}", "byte 1"},
        {R"({"a":1,"b":{"c":1,"c":2}})", "the key \"c\" appears twice"},
        {R"({"a":1,"a":2})", "the key \"a\" appears twice"},
        {R"(["\ud800"])", "byte"},
        {R"(["\ud800x"])", "byte"},
        {R"(["\udc00"])", "byte"},
        {"[\"a\x01\"]", "byte 3"},
        {"[\"a\xff\"]", "not valid UTF-8 at byte 3"},
        {"[\"\xed\xa0\x80\"]", "not valid UTF-8 at byte 2"},
        {std::string(100'000, '[') + std::string(100'000, ']'), "byte"},
        {"[01]", "byte"},
        {"[NaN]", "byte"},
        {"[1] // note", "byte"},
    };
    for (const auto& row : table) {
        const auto value = parse_json(row.text);
        ASSERT_FALSE(value) << row.text.substr(0, 40);
        EXPECT_EQ(value.error().code, Errc::invalid_request);
        EXPECT_THAT(value.error().message, HasSubstr(row.says)) << row.text.substr(0, 40);
    }
}

TEST(ParseJson, TheSameKeyMayStandInDifferentObjects) {
    EXPECT_TRUE(parse_json(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})"));
}

TEST(AppendJsonString, RoundTripsEveryCharacter) {
    std::string text;
    for (int c = 0; c < 0x80; ++c) text += static_cast<char>(c);
    text += "ü漢😀\xe2\x80\xa8";
    std::string written;
    append_json_string(written, text);
    const auto value = parse_json(written);
    ASSERT_TRUE(value) << value.error().message;
    EXPECT_EQ(std::string(value->as_string()), text);
}

TEST(AppendJsonString, FindsWhatIsToEscapeAtEveryPlace) {
    for (const char special : {'"', '\\', '\n', '\0', '\x1f'})
        for (std::size_t size = 1; size < 20; ++size)
            for (std::size_t at = 0; at < size; ++at) {
                std::string text(size, '\xff');
                text[at] = special;
                std::string written;
                append_json_string(written, text);
                EXPECT_EQ(written.find('\\'), at + 1) << size << ' ' << int(special);
                EXPECT_TRUE(written.ends_with(std::string(size - at - 1, '\xff') + '"'));
            }
}

}  // namespace
}  // namespace tertulia::base
