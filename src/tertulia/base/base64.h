// Base64 (RFC 4648 section 4).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tertulia::base {

/// The bytes that `text` stands for; nothing where it is not base64 with its padding (line ends are none either).
std::optional<std::string> decode_base64(std::string_view text);

/// Would it be decoded?
bool is_base64(std::string_view text);

/// `bytes` in base64, with padding.
std::string encode_base64(std::string_view bytes);

}  // namespace tertulia::base
