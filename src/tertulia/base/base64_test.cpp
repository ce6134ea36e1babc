#include "tertulia/base/base64.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

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

// Long texts are decoded many digits at a time.
TEST(Base64, gives_bytes_of_every_length_back) {
    std::string bytes;
    std::uint32_t state = 1;
    for (std::size_t size = 0; size <= 600; ++size) {
        const std::string text = encode_base64(bytes);
        // A copy of its own size: reading past it would be seen.
        const std::vector<char> copy(text.begin(), text.end());
        ASSERT_EQ(decode_base64(std::string_view(copy.data(), copy.size())), bytes) << size;
        state = state * 1664525 + 1013904223;
        bytes += static_cast<char>(state >> 24);
    }
}

TEST(Base64, finds_what_is_no_digit_wherever_it_stands) {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const std::string good(120, 'l');
    for (int byte = 0; byte < 256; ++byte) {
        for (std::size_t at = 0; at < good.size(); ++at) {
            std::string text = good;
            text[at] = static_cast<char>(byte);
            const bool is_digit = alphabet.find(static_cast<char>(byte)) != std::string_view::npos;
            // An '=' at the end neither: the 'l' before it leaves bits over.
            ASSERT_EQ(decode_base64(text).has_value(), is_digit) << byte << " at " << at;
            if (is_digit) ASSERT_EQ(encode_base64(*decode_base64(text)), text);
        }
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
