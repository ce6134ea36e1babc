#include "tertulia/providers/retry_after.h"

#include <gtest/gtest.h>

namespace tertulia::providers {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t now_us = 784'111'777'000'000;  // Sun, 06 Nov 1994 08:49:37 GMT

TEST(RetryAfter, is_read_in_all_its_forms) {
    const struct {
        std::vector<std::pair<const char*, const char*>> headers;
        const char* text;
        std::optional<std::int64_t> ms;
    } table[] = {
        {{}, "", std::nullopt},
        {{{"retry-after", "2"}}, "", 2000},
        {{{"Retry-After", " 0 "}}, "", 0},
        {{{"retry-after", "1.5"}}, "", 1500},
        {{{"retry-after", "-3"}}, "", 0},
        {{{"retry-after", "soon"}}, "", std::nullopt},
        {{{"retry-after", "2 s"}}, "", std::nullopt},
        {{{"retry-after", ""}}, "", std::nullopt},
        {{{"retry-after", "99999999999999999999"}}, "", 86'400'000},
        {{{"retry-after", "inf"}}, "", std::nullopt},
        {{{"retry-after", "Sun, 06 Nov 1994 08:50:37 GMT"}}, "", 60'000},
        {{{"retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"}}, "", 0},
        {{{"retry-after", "Sun, 31 Feb 1994 08:49:07 GMT"}}, "", std::nullopt},
        {{{"retry-after", "Sun, 06 Xxx 1994 08:49:07 GMT"}}, "", std::nullopt},
        {{{"retry-after-ms", "17"}}, "", 17},
        {{{"x-ms-retry-after-ms", "250"}}, "", 250},
        {{{"retry-after-ms", "1500"}, {"retry-after", "2"}}, "", 2000},
        {{{"retry-after-ms", "2500"}, {"retry-after", "2"}}, "", 2500},
        {{}, "Rate limit reached. Please try again in 6ms. Contact us", 6},
        {{}, "Please try again in 7.66s. Visit", 7660},
        {{}, "Please try again in 1m30s.", 90'000},
        {{}, "Please try again in a while.", std::nullopt},
        {{}, "Please try again later.", std::nullopt},
        {{{"retry-after", "1"}}, "Please try again in 20s.", 1000},
    };
    for (const auto& row : table) {
        http::Headers headers;
        for (const auto& [name, value] : row.headers) headers.add(name, value);
        const auto wait = retry_after(headers, row.text, now_us);
        const auto expected = row.ms ? std::optional(milliseconds(*row.ms)) : std::nullopt;
        EXPECT_EQ(wait, expected) << (row.headers.empty() ? row.text : row.headers.front().second);
    }
}

}  // namespace
}  // namespace tertulia::providers
