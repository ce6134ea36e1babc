#include "tertulia/base/varint.h"

namespace tertulia::base {

std::optional<std::uint64_t> take_varint(std::string_view& bytes, std::uint64_t max) {
    std::uint64_t value = 0;
    unsigned shift = 0;
    for (std::size_t i = 0; i < bytes.size() && shift < 64; ++i, shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        const std::uint64_t part = byte & 0x7fu;
        if (shift == 63 && part > 1) return std::nullopt;
        value |= part << shift;
        if (byte < 0x80) {
            if (value > max) return std::nullopt;
            bytes.remove_prefix(i + 1);
            return value;
        }
    }
    return std::nullopt;
}

std::optional<std::string_view> take_sized(std::string_view& bytes) {
    std::string_view rest = bytes;
    const auto size = take_varint(rest);
    if (!size || *size > rest.size()) return std::nullopt;
    const std::string_view taken = rest.substr(0, *size);
    bytes = rest.substr(*size);
    return taken;
}

}  // namespace tertulia::base
