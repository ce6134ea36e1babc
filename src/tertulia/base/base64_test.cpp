#include "tertulia/base/base64.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(Base64, gives_the_bytes_back) {
    const std::pair<std::string_view, std::string_view> table[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"+/+/", "\xfb\xff\xbf"},
        {"AAA=", std::string_view("\0\0", 2)},
    };
    for (const auto& [text, bytes] : table) {
        EXPECT_TRUE(is_base64(text)) << text;
        EXPECT_EQ(decode_base64(text), std::string(bytes)) << text;
        EXPECT_EQ(encode_base64(bytes), text);
    }
}

TEST(Base64, takes_nothing_else) {
    for (const std::string_view text :
         {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9v\n", "Zm 9", "Zm9-", "Zm9_",
          "Zg==Zg==", "Zh==", "Zm9=", "A===", "AA=A", "Z=g=", "\xff\xff\xff\xff", "Zm9v\xc3\xa9=="})
        EXPECT_TRUE(!decode_base64(text) && !is_base64(text)) << text;
}

}  // namespace
}  // namespace tertulia::base
