#include "tertulia/base/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

#if defined(__x86_64__)

// W. Mula and D. Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018), 16 digits at a time.
// Stops at the first 16 that are not all digits, and where 16 bytes could not be written.
[[gnu::target("ssse3,sse4.1")]] void decode_blocks(const char*& at, const char* end, char*& out) {
    // By the upper and the lower half of a byte: bits that have one in common where the byte is no digit.
    const __m128i by_upper =
        _mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m128i by_lower =
        _mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    // What is added to a digit to get its value, by its upper half (one less for '/').
    const __m128i to_value = _mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i half = _mm_set1_epi8(0x2f), slash = _mm_set1_epi8('/');
    const __m128i pairs = _mm_set1_epi32(0x01400140), fours = _mm_set1_epi32(0x00011000);
    const __m128i in_order = _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    constexpr std::ptrdiff_t step = 16, least = 24;  // 24 digits become 18 bytes
    for (; end - at >= least; at += step, out += step / 4 * 3) {
        const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i upper = _mm_and_si128(_mm_srli_epi32(text, 4), half);
        const __m128i no_digits =
            _mm_and_si128(_mm_shuffle_epi8(by_upper, upper), _mm_shuffle_epi8(by_lower, _mm_and_si128(text, half)));
        if (!_mm_testz_si128(no_digits, no_digits)) return;
        const __m128i values =
            _mm_add_epi8(text, _mm_shuffle_epi8(to_value, _mm_add_epi8(_mm_cmpeq_epi8(text, slash), upper)));
        const __m128i joined = _mm_madd_epi16(_mm_maddubs_epi16(values, pairs), fours);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_shuffle_epi8(joined, in_order));
    }
}

bool has_shuffles() {
    static const bool has = __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
    return has;
}

#endif

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
    const char* const end = at + (text.size() - tail);
#if defined(__x86_64__)
    if (has_shuffles()) decode_blocks(at, end, out);
#endif
    for (; at != end; at += 4) {
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
