// Hashes and comparisons (OpenSSL inside).
#pragma once

#include <string>
#include <string_view>

namespace tertulia::base {

/// SHA-256 of `bytes`, in lower-case hex.
std::string sha256_hex(std::string_view bytes);

/// The same in base64 (RFC 4648, padded), as a Content-Security-Policy names it.
std::string sha256_base64(std::string_view bytes);

/// Are they equal, in a time that depends on the length of `given` alone?
bool equal_constant_time(std::string_view given, std::string_view expected);

}  // namespace tertulia::base
