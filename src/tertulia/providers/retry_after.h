// How long a provider asks us to wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tertulia/http/message.h"

namespace tertulia::providers {

/// The longest of `retry-after-ms`, `x-ms-retry-after-ms` and `retry-after` (seconds, or an HTTP date against
/// `wall_us`, RFC 9110 section 10.2.3), at most a day. Where none is sent, what OpenAI's error text says ("Please try
/// again in 6ms"). Pure.
std::optional<std::chrono::milliseconds> retry_after(const http::Headers& headers, std::string_view error_text,
                                                     std::int64_t wall_us);

}  // namespace tertulia::providers
