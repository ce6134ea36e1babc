// What a model's tokens cost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tertulia::billing {

/// Pico-dollars per token of each class (chat::Usage); reasoning costs what output does. Value.
struct Rates {
    std::int64_t input = 0;
    std::int64_t cache_read = 0;
    std::int64_t cache_write = 0;
    /// For an hour.
    std::int64_t cache_write_long = 0;
    std::int64_t output = 0;
    bool operator==(const Rates&) const = default;
};

/// Rates for a prompt of more than `above` tokens (cached ones counted too). They are for all of its tokens, not only
/// those above. Value.
struct RateTier {
    std::int64_t above = 0;
    Rates rates;
    bool operator==(const RateTier&) const = default;
};

/// Value.
struct Price {
    Rates rates;
    /// By `above`, rising.
    std::vector<RateTier> tiers;
    /// Which edition of the table says so: its date, or "configuration".
    std::string version;

    const Rates& at(std::int64_t prompt_tokens) const;
    bool operator==(const Price&) const = default;
};

/// The rates as somebody wrote them: what is missing of the cache is filled in (`cache_read` and `cache_write`:
/// `input`; `cache_write_long`: `cache_write`). Value.
struct WrittenRates {
    std::int64_t input = 0;
    std::int64_t output = 0;
    std::optional<std::int64_t> cache_read = {};
    std::optional<std::int64_t> cache_write = {};
    std::optional<std::int64_t> cache_write_long = {};

    Rates whole() const;
};

}  // namespace tertulia::billing
