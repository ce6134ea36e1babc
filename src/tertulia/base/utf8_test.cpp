#include "tertulia/base/utf8.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(Utf8, FindsTheFirstInvalidByte) {
    const struct {
        std::string text;
        std::size_t at;
    } table[] = {
        {"plain ü 漢 😀", std::string::npos},
        {"a\xff", 1},
        {"\xc0\xaf", 0},          // overlong
        {"ab\xe2\x82", 2},        // cut
        {"\xed\xa0\x80", 0},      // surrogate
        {"\xf4\x90\x80\x80", 0},  // above U+10FFFF
        {"\xf0\x80\x80\x80", 0},
        {"\xe0\x80\x80", 0},
        {std::string("a\0b", 3), std::string::npos},
    };
    for (const auto& row : table) EXPECT_EQ(find_invalid_utf8(row.text), row.at) << row.text;
}

TEST(Utf8, ReplacesWhatIsInvalid) {
    EXPECT_EQ(valid_utf8("a\xff\xe2\x82z"), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
}

TEST(Utf8, CutsBetweenCharacters) {
    EXPECT_EQ(cut_utf8("aü", 2), "a");
    EXPECT_EQ(cut_utf8("aü", 3), "aü");
    EXPECT_EQ(cut_utf8("😀", 3), "");
    EXPECT_EQ(cut_utf8("abc", 10), "abc");
}

}  // namespace
}  // namespace tertulia::base
