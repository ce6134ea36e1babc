#include "tertulia/aws/crc32.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

namespace tertulia::aws {
namespace {

std::uint32_t by_zlib(std::uint32_t crc, std::string_view bytes) {
    if (bytes.empty()) return crc;  // where there is no address zlib begins anew
    return static_cast<std::uint32_t>(
        crc32(crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// All that this processor has.
std::vector<Crc32Way> all_ways() {
    std::vector<Crc32Way> ways;
    for (int way = 0; way <= static_cast<int>(best_crc32_way()); ++way) ways.push_back(static_cast<Crc32Way>(way));
    return ways;
}

TEST(Crc32, IsWhatItsCheckValueSays) {
    EXPECT_EQ(add_to_crc32(0, "123456789"), 0xcbf43926);
    EXPECT_EQ(add_to_crc32(0, ""), 0);
    for (const Crc32Way way : all_ways()) EXPECT_EQ(add_to_crc32(7, std::string_view(), way), 7);
}

TEST(Crc32, IsZlibsAtEveryLengthAlignmentAndStart) {
    std::string bytes;
    std::uint32_t state = 1;
    while (bytes.size() < 700) {
        state = state * 1664525 + 1013904223;
        bytes += static_cast<char>(state >> 24);
    }
    for (std::size_t size = 0; size <= 600; ++size) {
        for (const std::size_t at : {0, 1, 7, 16}) {
            // A copy of its own size: reading past it would be seen.
            const std::vector<char> part(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                         bytes.begin() + static_cast<std::ptrdiff_t>(at + size));
            const std::string_view view(part.data(), part.size());
            for (const std::uint32_t start : {0x0U, 0xffffffffU, 0x12345678U})
                for (const Crc32Way way : all_ways())
                    ASSERT_EQ(add_to_crc32(start, view, way), by_zlib(start, view))
                        << size << " at " << at << ", way " << static_cast<int>(way);
        }
    }
    for (const std::size_t size : {std::size_t(5000), std::size_t(1) << 20, (std::size_t(1) << 20) + 17}) {
        std::string long_text;
        while (long_text.size() < size) long_text += bytes;
        long_text.resize(size);
        for (const Crc32Way way : all_ways()) EXPECT_EQ(add_to_crc32(7, long_text, way), by_zlib(7, long_text)) << size;
    }
}

TEST(Crc32, GoesOnWhereItStopped) {
    const std::string text = "The quick brown fox jumps over the lazy dog, again and again and again.";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        const std::uint32_t first = add_to_crc32(0, std::string_view(text).substr(0, cut));
        EXPECT_EQ(add_to_crc32(first, std::string_view(text).substr(cut)), by_zlib(0, text));
    }
}

}  // namespace
}  // namespace tertulia::aws
