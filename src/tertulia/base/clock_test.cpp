#include "tertulia/base/clock.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(Timestamp, HasAFixedWidthInUtc) {
    EXPECT_EQ(format_timestamp(0), "1970-01-01T00:00:00.000000Z");
    EXPECT_EQ(format_timestamp(1732271400'000001), "2024-11-22T10:30:00.000001Z");
    EXPECT_EQ(format_timestamp(951782400'000000), "2000-02-29T00:00:00.000000Z");
}

TEST(Timestamp, TheNextOneIsAlwaysGreater) {
    constexpr std::int64_t now = 1732271400'000000;  // 2024-11-22T10:30:00Z
    const struct {
        const char* last;
        const char* next;
    } table[] = {
        {"", "2024-11-22T10:30:00.000000Z"},
        {"2024-11-22T10:29:59.999999Z", "2024-11-22T10:30:00.000000Z"},
        {"2024-11-22T10:30:00.000000Z", "2024-11-22T10:30:00.000001Z"},
        {"2031-01-01T00:00:00.999999Z", "2031-01-01T00:00:01.000000Z"},  // the clock was put back
        {"2024-11-22T10:30:00.000000", "2024-11-22T10:30:00.000000Z"},   // Python's isoformat, without a zone
        {"2024-11-22T10:30:00", "2024-11-22T10:30:00.000000Z"},
    };
    for (const auto& row : table) EXPECT_EQ(next_timestamp(row.last, now), row.next) << row.last;
    for (const char* foreign : {"2031-01-01T00:00:00+00:00", "2031-12-31T23:59:59.999999+00:00", "zzz", "9999"})
        EXPECT_GT(next_timestamp(foreign, now), foreign);
}

TEST(Deadline, IsOnlyEverShortened) {
    const Deadline early(SteadyTime(std::chrono::seconds(1))), late(SteadyTime(std::chrono::seconds(2)));
    EXPECT_EQ(late.earlier(early).at(), early.at());
    EXPECT_EQ(early.earlier(late).at(), early.at());
    EXPECT_TRUE(Deadline::never().is_never());
    EXPECT_TRUE(early.passed(late.at()));
    EXPECT_FALSE(late.passed(early.at()));
}

}  // namespace
}  // namespace tertulia::base
