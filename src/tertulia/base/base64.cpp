#include "tertulia/base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

namespace tertulia::base {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 0xff;

constexpr auto digits = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(no_digit);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return table;
}();

}  // namespace

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    const auto digit = [](char c) { return digits[static_cast<unsigned char>(c)]; };
    const std::size_t tail = text.size() % 4;  // 0, 2 or 3 digits of a group with padding
    std::string bytes(text.size() / 4 * 3 + (tail == 0 ? 0 : tail - 1), '\0');
    std::uint8_t seen = 0;  // all digits or-ed: what is none sets the upper bits
    char* out = bytes.data();
    const char* at = text.data();
    for (const char* const end = at + (text.size() - tail); at != end; at += 4) {
        const std::uint8_t a = digit(at[0]), b = digit(at[1]), c = digit(at[2]), d = digit(at[3]);
        seen = static_cast<std::uint8_t>(seen | a | b | c | d);
        *out++ = static_cast<char>(a << 2 | b >> 4);
        *out++ = static_cast<char>(b << 4 | c >> 2);
        *out++ = static_cast<char>(c << 6 | d);
    }
    if (tail != 0) {
        const std::uint8_t a = digit(at[0]), b = digit(at[1]), c = tail == 3 ? digit(at[2]) : std::uint8_t(0);
        seen = static_cast<std::uint8_t>(seen | a | b | c);
        *out++ = static_cast<char>(a << 2 | b >> 4);
        if (tail == 3) *out++ = static_cast<char>(b << 4 | c >> 2);
        // Bits behind the last byte: two texts for one value.
        if ((tail == 3 ? c & 3 : b & 15) != 0) return std::nullopt;
    }
    return seen > 63 ? std::nullopt : std::optional(std::move(bytes));
}

bool is_base64(std::string_view text) {
    if (text.size() % 4 != 0) return false;
    std::size_t padding = 0;
    while (padding < 2 && !text.empty() && text.ends_with('=')) {
        text.remove_suffix(1);
        ++padding;
    }
    const auto is_digit = [](char c) { return digits[static_cast<unsigned char>(c)] != no_digit; };
    if (!std::ranges::all_of(text, is_digit)) return false;
    if (padding == 0) return true;
    const unsigned unused = padding == 1 ? 0x3 : 0xf;  // bits behind the last byte
    return !text.empty() && (digits[static_cast<unsigned char>(text.back())] & unused) == 0;
}

std::string encode_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (count += 8; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 63];
    }
    if (count > 0) out += alphabet[bits << (6 - count) & 63];
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

}  // namespace tertulia::base
