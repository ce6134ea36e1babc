#include "tertulia/base/date_text.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(DateText, ReadsHttpDates) {
    EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784'111'777'000'000);
    EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
    for (const std::string_view text :
         {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 6 Nov 1994 08:49:37 GMT",
          "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 31 Nov 1994 08:49:37 GMT",
          "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT "})
        EXPECT_FALSE(parse_http_date(text)) << text;
}

TEST(DateText, ReadsRfc3339) {
    constexpr std::int64_t moment_us = 1'767'323'045'000'000;
    for (const std::string_view text : {"2026-01-02T03:04:05Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05+00:00",
                                        "2026-01-02T05:34:05+0230", "2026-01-01T22:04:05-05:00"})
        EXPECT_EQ(parse_rfc3339(text), moment_us) << text;
    EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.25Z"), moment_us + 250'000);
    EXPECT_EQ(parse_rfc3339("2026-01-02T03:04:05.1234569Z"), moment_us + 123'456);
    for (const std::string_view text :
         {"", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z",
          "2026-01-02T24:04:05Z", "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05.Z", "-026-01-02T03:04:05Z",
          "2026-01-02T03:04:05+99:00", "2026-01-02T03:04:05+-1:00", "2026-01- 2T03:04:05Z", "2026-01-02T03:04:05+1"})
        EXPECT_FALSE(parse_rfc3339(text)) << text;
}

}  // namespace
}  // namespace tertulia::base
