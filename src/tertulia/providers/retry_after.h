// How long a provider asks us to wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tertulia/http/message.h"

namespace tertulia::providers {

/// The longest of `retry-after-ms`, `x-ms-retry-after-ms` and `retry-after` (seconds, or an HTTP date against
/// `wall_us`, RFC 9110 section 10.2.3). Where none is sent, what OpenAI's error text says ("Please try again in 6ms").
/// Where that says nothing, the longest time until a used-up limit is whole again: `x-ratelimit-reset[-...]` ("6m0s",
/// seconds, a date) and `anthropic-ratelimit-...-reset` (a date), those left out whose `...-remaining...` says that
/// something is left; a limit is whole later than the next request may come, so these count last. At most a day. Pure.
std::optional<std::chrono::milliseconds> retry_after(const http::Headers& headers, std::string_view error_text,
                                                     std::int64_t wall_us);

}  // namespace tertulia::providers
