// Numbers of few bytes (LEB128, as in DWARF 5, 7.6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::base {

inline void append_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out += static_cast<char>(value | 0x80);
        value >>= 7;
    }
    out += static_cast<char>(value);
}

/// Takes a number off the front of `bytes`; nothing (and `bytes` as it was) where none is whole there, or it is above
/// `max`.
std::optional<std::uint64_t> take_varint(std::string_view& bytes, std::uint64_t max = UINT64_MAX);

/// A number of bytes, and these.
inline void append_sized(std::string& out, std::string_view bytes) {
    append_varint(out, bytes.size());
    out += bytes;
}
std::optional<std::string_view> take_sized(std::string_view& bytes);

}  // namespace tertulia::base
