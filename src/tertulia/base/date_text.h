// Moments as other machines write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tertulia::base {

/// Microseconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`: the one form of an HTTP date that may be sent today (RFC
/// 9110, IMF-fixdate).
std::optional<std::int64_t> parse_http_date(std::string_view text);

/// Microseconds since 1970 of `2026-01-02T03:04:05Z`, with a fraction (of which six digits count) or an offset
/// (`+01:00`, `+0100`) where it likes (RFC 3339, ISO 8601).
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace tertulia::base
