// UTF-8: validity and cutting.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tertulia::base {

/// The offset of the first byte that is not valid UTF-8 (Unicode 15, table 3-7), or npos.
std::size_t find_invalid_utf8(std::string_view text);

/// `text` with every invalid sequence made U+FFFD: for what people are shown of bytes from outside.
std::string valid_utf8(std::string_view text);

/// The longest prefix of `text` of at most `max_bytes` that does not end inside a character.
std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

}  // namespace tertulia::base
