#include "tertulia/base/utf8.h"

#include <simdjson.h>

namespace tertulia::base {
namespace {

// The size of the valid sequence at `at`, or 0.
std::size_t sequence(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
    const unsigned b = byte(at), c = byte(at + 1);
    if (b < 0x80) return 1;
    if (b >= 0xc2 && b <= 0xdf) return tail(at + 1) ? 2 : 0;
    if (b >= 0xe0 && b <= 0xef) {
        if (!tail(at + 1) || !tail(at + 2) || (b == 0xe0 && c < 0xa0) || (b == 0xed && c > 0x9f)) return 0;
        return 3;
    }
    if (b >= 0xf0 && b <= 0xf4) {
        if (!tail(at + 1) || !tail(at + 2) || !tail(at + 3) || (b == 0xf0 && c < 0x90) || (b == 0xf4 && c > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
    if (simdjson::validate_utf8(text.data(), text.size())) return std::string_view::npos;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = sequence(text, at);
        if (size == 0) return at;
        at += size;
    }
    return std::string_view::npos;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = sequence(text, at);
        if (size == 0) {
            out += "\xef\xbf\xbd";
            ++at;
        } else {
            out.append(text, at, size);
            at += size;
        }
    }
    return out;
}

std::string_view cut_utf8(std::string_view text, std::size_t max_bytes) {
    if (text.size() <= max_bytes) return text;
    while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xc0) == 0x80) --max_bytes;
    return text.substr(0, max_bytes);
}

}  // namespace tertulia::base
