#include "tertulia/base/varint.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(Varint, ComesBackAsItWas) {
    for (const std::uint64_t value : {std::uint64_t(0), std::uint64_t(1), std::uint64_t(127), std::uint64_t(128),
                                      std::uint64_t(300), std::uint64_t(1) << 35, UINT64_MAX - 1, UINT64_MAX}) {
        std::string bytes;
        append_varint(bytes, value);
        std::string_view rest = bytes;
        EXPECT_EQ(take_varint(rest), value);
        EXPECT_TRUE(rest.empty());
        for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
            std::string_view part = std::string_view(bytes).substr(0, cut);
            EXPECT_EQ(take_varint(part), std::nullopt) << value << " cut at " << cut;
            EXPECT_EQ(part.size(), cut);
        }
    }
}

TEST(Varint, RefusesWhatIsTooGreat) {
    std::string bytes;
    append_varint(bytes, 256);
    std::string_view rest = bytes;
    EXPECT_EQ(take_varint(rest, 255), std::nullopt);
    EXPECT_EQ(take_varint(rest, 256), 256u);
    for (const std::string_view long_one : {std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                                            std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")}) {
        std::string_view bad = long_one;
        EXPECT_EQ(take_varint(bad), std::nullopt);
    }
}

TEST(Varint, BytesWithTheirSize) {
    std::string bytes;
    append_sized(bytes, "one");
    append_sized(bytes, "");
    std::string_view rest = bytes;
    EXPECT_EQ(take_sized(rest), "one");
    EXPECT_EQ(take_sized(rest), "");
    EXPECT_EQ(take_sized(rest), std::nullopt);
    std::string_view cut = std::string_view(bytes).substr(0, 3);
    EXPECT_EQ(take_sized(cut), std::nullopt);
}

}  // namespace
}  // namespace tertulia::base
