#include "tertulia/http/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace tertulia::http {
namespace {

std::string compress(std::string_view text, int window_bits) {
    z_stream z{};
    EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(text.size() + 1000, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}
std::string gzip(std::string_view text) {
    return compress(text, 15 + 16);
}

std::optional<std::string> decode(std::initializer_list<std::string_view> pieces, std::size_t max_out = 1 << 20) {
    Inflater inflater;
    std::string out;
    for (std::string_view bytes : pieces)
        while (!bytes.empty())
            if (!inflater.feed(bytes, out, max_out)) return {};
    if (!inflater.end(out)) return {};
    return out;
}

TEST(Inflater, decodes_wherever_it_is_cut) {
    const std::string text = "data: hello hello hello\n\n";
    const std::string members = gzip("one ") + gzip("two");
    for (const auto& [bytes, expected] :
         {std::pair(gzip(text), text), std::pair(compress(text, 15), text), std::pair(members, std::string("one two")),
          std::pair(gzip(text) + std::string(4, '\0'), text),
          std::pair(std::string("{\"plain\":1}"), std::string("{\"plain\":1}")),
          std::pair(std::string("x"), std::string("x")), std::pair(std::string(), std::string())}) {
        for (std::size_t i = 0; i <= bytes.size(); ++i)
            EXPECT_EQ(decode({std::string_view(bytes).substr(0, i), std::string_view(bytes).substr(i)}), expected) << i;
        EXPECT_EQ(decode({bytes}, 1), expected) << "a byte of output at a time";
    }
}

TEST(Inflater, never_takes_a_cut_or_damaged_stream_for_a_whole_one) {
    const std::string bytes = gzip("some text that is worth compressing");
    for (std::size_t i = 2; i < bytes.size(); ++i) EXPECT_EQ(decode({bytes.substr(0, i)}), std::nullopt) << i;
    std::string damaged = bytes;
    damaged[bytes.size() - 6] ^= 1;  // its checksum
    EXPECT_EQ(decode({damaged}), std::nullopt);
}

TEST(Inflater, stops_soon_after_the_output_that_was_asked_for) {
    const std::string bomb = gzip(std::string(10'000'000, 'x'));
    Inflater inflater;
    std::string_view in = bomb;
    std::string out;
    ASSERT_TRUE(inflater.feed(in, out, 100'000));
    EXPECT_LT(out.size(), 150'000u);
    EXPECT_FALSE(in.empty());
}

}  // namespace
}  // namespace tertulia::http
