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
        {{{"x-ratelimit-reset-requests", "6m0s"}}, "", 360'000},
        {{{"X-RateLimit-Reset-Tokens", " 17ms "}}, "", 17},
        {{{"x-ratelimit-reset-tokens", "1h2m3.5s"}}, "", 3'723'500},
        {{{"x-ratelimit-reset-requests", "8.64s"}, {"x-ratelimit-reset-tokens", "17ms"}}, "", 8640},
        {{{"x-ratelimit-reset-requests", "8.64s"},
          {"x-ratelimit-remaining-requests", "9999"},
          {"x-ratelimit-reset-tokens", "17ms"},
          {"x-ratelimit-remaining-tokens", "0"}},
         "",
         17},
        {{{"x-ratelimit-reset-requests", "8.64s"}, {"x-ratelimit-remaining-requests", "1"}}, "", std::nullopt},
        {{{"x-ratelimit-reset", "30"}}, "", 30'000},
        {{{"x-ratelimit-reset", "784111807"}}, "", 86'400'000},
        {{{"x-ratelimit-reset", "soon"}}, "", std::nullopt},
        {{{"x-ratelimit-reset", "1s or so"}}, "", std::nullopt},
        {{{"x-ratelimit-reset", "5x"}}, "", std::nullopt},
        {{{"anthropic-ratelimit-requests-reset", "1994-11-06T08:50:37Z"}}, "", 60'000},
        {{{"anthropic-ratelimit-tokens-reset", "1994-11-06T09:50:38.25+01:00"}}, "", 61'250},
        {{{"anthropic-ratelimit-tokens-reset", "1994-11-06T07:49:47-01:00"}}, "", 10'000},
        {{{"anthropic-ratelimit-tokens-reset", "1994-11-06T08:49:07Z"}}, "", 0},
        {{{"anthropic-ratelimit-tokens-reset", "1994-11-06T08:50:37"}}, "", std::nullopt},
        {{{"anthropic-ratelimit-tokens-reset", "1994-13-06T08:50:37Z"}}, "", std::nullopt},
        {{{"anthropic-ratelimit-tokens-reset", "1994-11-06T08:50:37+1:00"}}, "", std::nullopt},
        {{{"anthropic-ratelimit-requests-reset", "1994-11-06T08:50:37Z"},
          {"anthropic-ratelimit-requests-remaining", "12"},
          {"anthropic-ratelimit-input-tokens-reset", "1994-11-06T08:49:57Z"},
          {"anthropic-ratelimit-input-tokens-remaining", "0"}},
         "",
         20'000},
        {{{"retry-after", "2"}, {"x-ratelimit-reset-requests", "6m0s"}}, "", 2000},
        {{{"x-ratelimit-reset-requests", "6m0s"}}, "Please try again in 6ms.", 6},
    };
    for (const auto& row : table) {
        http::Headers headers;
        for (const auto& [name, value] : row.headers) headers.add(name, value);
        const auto wait = retry_after(headers, row.text, now_us);
        const auto expected = row.ms ? std::optional(milliseconds(*row.ms)) : std::nullopt;
        EXPECT_EQ(wait, expected) << (row.headers.empty() ? row.text : row.headers.front().second);
    }
}

TEST(RetryAfter, takes_a_time_since_1970_too) {
    constexpr std::int64_t now_2026_us = 1'790'000'000'000'000;
    for (const char* text : {"1790000045", "1790000045000"}) {
        http::Headers headers;
        headers.add("x-ratelimit-reset", text);
        EXPECT_EQ(retry_after(headers, "", now_2026_us), milliseconds(45'000)) << text;
    }
}

}  // namespace
}  // namespace tertulia::providers
