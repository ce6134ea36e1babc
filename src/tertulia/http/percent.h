// Percent-encoding (RFC 3986 2.1).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tertulia::http {

/// `text` decoded; nothing where a `%` is not followed by two hex digits, or where a NUL would result.
/// `plus_is_space`: as forms and queries write it.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

/// `text` with everything encoded but the unreserved characters (letters, digits, `-._~`) and those of `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = {});

}  // namespace tertulia::http
