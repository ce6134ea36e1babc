#include "tertulia/aws/crc32.h"

#include <zlib.h>

#include <cstddef>

#if defined(__x86_64__)
#include <immintrin.h>

#include <array>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include <cstring>
#endif

namespace tertulia::aws {
namespace {

std::uint32_t add_by_zlib(std::uint32_t crc, std::string_view bytes) {
    return static_cast<std::uint32_t>(crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

#if defined(__x86_64__)

// V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009), with bits
// reflected. 16 bytes that stand n bits before the end count as much as their product with x^n mod P, which is short
// enough to be added to 16 bytes further on.

constexpr std::size_t block = 16;
constexpr std::size_t lanes = 4;

// x^n mod P, one bit to the left: the product of two reflected numbers is reflected one bit too far to the right.
consteval std::int64_t power(int n) {
    std::uint32_t value = 0x80000000;
    for (int i = 0; i < n; ++i) value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
    return static_cast<std::int64_t>(value) << 1;
}

constexpr std::int64_t polynomial = 0x1db710641;  // P itself,
constexpr std::int64_t reciprocal = 0x1f7011641;  // and x^64 / P

// At 16 - n: byte i comes from i - n; at 16 + n: from i + n. What comes from outside is 0.
constexpr std::array<std::uint8_t, 3 * block> shifts = [] {
    std::array<std::uint8_t, 3 * block> table{};
    table.fill(0x80);
    for (std::size_t i = 0; i < block; ++i) table[block + i] = static_cast<std::uint8_t>(i);
    return table;
}();

#define TERTULIA_CLMUL [[gnu::target("pclmul,sse4.1")]]

TERTULIA_CLMUL inline __m128i load(const void* at) {
    return _mm_loadu_si128(static_cast<const __m128i*>(at));
}

// Moves a block's weight on by the distance of `powers`.
TERTULIA_CLMUL inline __m128i fold(__m128i value, __m128i powers) {
    return _mm_xor_si128(_mm_clmulepi64_si128(value, powers, 0x00), _mm_clmulepi64_si128(value, powers, 0x11));
}

TERTULIA_CLMUL inline std::uint32_t reduce(__m128i value) {
    const __m128i low_word = _mm_set_epi32(0, 0, 0, -1);
    value =
        _mm_xor_si128(_mm_clmulepi64_si128(value, _mm_set_epi64x(0, power(128 - 32)), 0x00), _mm_srli_si128(value, 8));
    value = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(value, low_word), _mm_set_epi64x(0, power(64)), 0x00),
                          _mm_srli_si128(value, 4));
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(value, low_word), _mm_set_epi64x(0, reciprocal), 0x00);
    quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, low_word), _mm_set_epi64x(0, polynomial), 0x00);
    return static_cast<std::uint32_t>(_mm_extract_epi32(_mm_xor_si128(value, quotient), 1));
}

// Four blocks that stand behind each other.
using Group = std::array<__m128i, lanes>;

constexpr int group_bits = lanes * 128;

// Adds the groups from `at` to `end`.
TERTULIA_CLMUL void add_groups(Group& sums, const char* at, const char* end) {
    const __m128i next_group = _mm_set_epi64x(power(group_bits - 32), power(group_bits + 32));
    for (; at < end; at += lanes * block)
        for (std::size_t i = 0; i < lanes; ++i)
            sums[i] = _mm_xor_si128(fold(sums[i], next_group), load(at + i * block));
}

#define TERTULIA_WIDE_CLMUL [[gnu::target("avx2,vpclmulqdq,pclmul,sse4.1")]]

TERTULIA_WIDE_CLMUL inline __m256i load_two(const void* at) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(at));
}

TERTULIA_WIDE_CLMUL inline __m256i fold_two(__m256i values, __m256i powers) {
    return _mm256_xor_si256(_mm256_clmulepi64_epi128(values, powers, 0x00),
                            _mm256_clmulepi64_epi128(values, powers, 0x11));
}

// The same, two blocks at once.
TERTULIA_WIDE_CLMUL void add_groups_wide(Group& sums, const char* at, const char* end) {
    const __m256i next_group =
        _mm256_broadcastsi128_si256(_mm_set_epi64x(power(group_bits - 32), power(group_bits + 32)));
    __m256i first = load_two(sums.data()), second = load_two(sums.data() + 2);
    for (; at < end; at += lanes * block) {
        first = _mm256_xor_si256(fold_two(first, next_group), load_two(at));
        second = _mm256_xor_si256(fold_two(second, next_group), load_two(at + 2 * block));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums.data()), first);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums.data() + 2), second);
}

#undef TERTULIA_WIDE_CLMUL

// Of eight bytes, the length of a frame's first part: they are the end of a block of zeros.
TERTULIA_CLMUL std::uint32_t add_eight_bytes(std::uint32_t crc, std::string_view bytes) {
    const __m128i value = _mm_xor_si128(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data())),
                                        _mm_cvtsi32_si128(static_cast<int>(~crc)));
    return ~reduce(_mm_slli_si128(value, 8));
}

// Of 16 bytes at least. Zeros in front change nothing once the checksum so far is added to the first four bytes: so the
// odd bytes come first, as the end of a block, and all others are whole blocks.
TERTULIA_CLMUL std::uint32_t add_blocks(std::uint32_t crc, std::string_view bytes, bool is_wide) {
    const __m128i next_block = _mm_set_epi64x(power(128 - 32), power(128 + 32));
    const std::size_t odd = (bytes.size() - 1) % block + 1;
    const __m128i to_end = load(shifts.data() + odd), beyond = load(shifts.data() + block + odd);
    const __m128i before = _mm_cvtsi32_si128(static_cast<int>(~crc));

    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    __m128i sum = _mm_shuffle_epi8(_mm_xor_si128(load(at), before), to_end);
    at += odd;
    if (at < end) {  // where the first block has less than four bytes, the checksum reaches into the second
        sum = _mm_xor_si128(fold(sum, next_block), _mm_xor_si128(load(at), _mm_shuffle_epi8(before, beyond)));
        at += block;
    }
    for (; static_cast<std::size_t>(end - at) / block % lanes != lanes - 1 && at < end; at += block)
        sum = _mm_xor_si128(fold(sum, next_block), load(at));
    if (at < end) {
        Group sums{sum, load(at), load(at + block), load(at + 2 * block)};
        at += 3 * block;
        if (is_wide)
            add_groups_wide(sums, at, end);
        else
            add_groups(sums, at, end);
        sum = sums[0];
        for (std::size_t i = 1; i < lanes; ++i) sum = _mm_xor_si128(fold(sum, next_block), sums[i]);
    }
    return ~reduce(sum);
}

#undef TERTULIA_CLMUL

#elif defined(__aarch64__)

[[gnu::target("crc")]] std::uint32_t add_by_instruction(std::uint32_t crc, std::string_view bytes) {
    crc = ~crc;
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    for (; end - at >= 8; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, at, sizeof word);
        crc = __builtin_arm_crc32d(crc, word);
    }
    for (; at != end; ++at) crc = __builtin_arm_crc32b(crc, static_cast<unsigned char>(*at));
    return ~crc;
}

#endif

Crc32Way best_way() {
#if defined(__x86_64__)
    const bool can_multiply = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    if (can_multiply && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq")) return Crc32Way::wide;
    if (can_multiply) return Crc32Way::plain;
#elif defined(__aarch64__)
    if ((getauxval(AT_HWCAP) & HWCAP_CRC32) != 0) return Crc32Way::plain;
#endif
    return Crc32Way::table;
}

}  // namespace

Crc32Way best_crc32_way() {
    static const Crc32Way best = best_way();
    return best;
}

std::uint32_t add_to_crc32(std::uint32_t crc, std::string_view bytes, Crc32Way way) {
    if (bytes.empty()) return crc;  // zlib begins anew where there is no address
#if defined(__x86_64__)
    if (way != Crc32Way::table && bytes.size() >= block) return add_blocks(crc, bytes, way == Crc32Way::wide);
    if (way != Crc32Way::table && bytes.size() == 8) return add_eight_bytes(crc, bytes);
#elif defined(__aarch64__)
    if (way != Crc32Way::table) return add_by_instruction(crc, bytes);
#endif
    return add_by_zlib(crc, bytes);
}

std::uint32_t add_to_crc32(std::uint32_t crc, std::string_view bytes) {
    return add_to_crc32(crc, bytes, best_crc32_way());
}

}  // namespace tertulia::aws
