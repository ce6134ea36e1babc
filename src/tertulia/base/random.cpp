#include "tertulia/base/random.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tertulia::base {
namespace {

class SystemRandom final : public Random {
  public:
    void fill(std::span<unsigned char> bytes) override {
        // One system call serves a dozen ids; a thread keeps its own store, so there is nothing to lock.
        thread_local std::array<unsigned char, 256> store;
        thread_local std::size_t left = 0;
        while (!bytes.empty()) {
            if (left == 0) {
                // Up to 256 bytes are never interrupted and never short (getrandom(2)).
                if (getrandom(store.data(), store.size(), 0) != static_cast<ssize_t>(store.size())) std::abort();
                left = store.size();
            }
            const std::size_t n = std::min(left, bytes.size());
            std::memcpy(bytes.data(), store.data() + store.size() - left, n);
            left -= n;
            bytes = bytes.subspan(n);
        }
    }
};

}  // namespace

Random& system_random() {
    static SystemRandom random;
    return random;
}

std::string make_uuid(Random& random) {
    std::array<unsigned char, 16> bytes;
    random.fill(bytes);
    bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4
    bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // the variant of RFC 9562
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

namespace {

constexpr std::string_view id_digits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";  // in ASCII's order
constexpr std::size_t id_size = 24, id_time_digits = 9;

void fill_up(std::string& id, Random& random) {
    std::array<unsigned char, 32> bytes;
    while (id.size() < id_size) {
        random.fill(bytes);
        for (const unsigned char byte : bytes) {
            // 248 = 4 * 62: larger values are thrown away, so that every character is equally likely.
            if (byte < 248 && id.size() < id_size) id += id_digits[byte % id_digits.size()];
        }
    }
}

std::string begin_id(char prefix) {
    std::string id;
    id.reserve(id_size);
    id += prefix;
    id += '_';
    return id;
}

}  // namespace

std::string make_id(char prefix, Random& random) {
    std::string id = begin_id(prefix);
    fill_up(id, random);
    return id;
}

std::string make_ordered_id(char prefix, std::int64_t wall_us, Random& random) {
    std::string id = begin_id(prefix);
    std::array<char, id_time_digits> time;
    auto rest = static_cast<std::uint64_t>(std::max<std::int64_t>(wall_us, 0));
    for (std::size_t i = id_time_digits; i-- > 0; rest /= id_digits.size())
        time[i] = id_digits[rest % id_digits.size()];
    id.append(time.data(), time.size());
    fill_up(id, random);
    return id;
}

bool is_session_id(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == ':' || c == '-';
    };
    return !text.empty() && text.size() <= 128 && text != "." && text != ".." && std::ranges::all_of(text, allowed);
}

}  // namespace tertulia::base
