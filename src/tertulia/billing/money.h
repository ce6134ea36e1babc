// Money as integers: nano-dollars for what was spent, pico-dollars per token for what a token costs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::billing {

/// A billionth of a dollar is the unit of every cost; a price of one dollar per million tokens is a million
/// pico-dollars per token.
inline constexpr std::int64_t nano_per_usd = 1'000'000'000;
inline constexpr std::int64_t pico_per_nano = 1'000;

/// `123000` -> `0.000123000`: always nine decimals.
std::string format_usd(std::int64_t nano);

/// A decimal amount of dollars ("0.10", "3") in nano-dollars, exactly. Nothing where it is not digits with at most one
/// point and nine decimals, or over a thousand million dollars.
std::optional<std::int64_t> parse_usd(std::string_view text);

/// A decimal price in dollars per million tokens ("3.00", "0.035") in pico-dollars per token, exactly. Nothing where it
/// is not digits with at most one point and six decimals, or over a million dollars.
std::optional<std::int64_t> parse_price(std::string_view text);

}  // namespace tertulia::billing
