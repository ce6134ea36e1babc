// Hashes and comparisons (OpenSSL inside).
#pragma once

#include <string>
#include <string_view>

namespace tertulia::base {

/// SHA-256 of `bytes`, in lower-case hex.
std::string sha256_hex(std::string_view bytes);

/// HMAC-SHA256 (RFC 2104): the 32 bytes themselves.
std::string hmac_sha256(std::string_view key, std::string_view bytes);

/// `bytes` in lower-case hex.
std::string to_hex(std::string_view bytes);

/// SHA-256 in base64 (RFC 4648, padded), as a Content-Security-Policy names it.
std::string sha256_base64(std::string_view bytes);

/// Are they equal, in a time that depends on the length of `given` alone?
bool equal_constant_time(std::string_view given, std::string_view expected);

}  // namespace tertulia::base
