#include "tertulia/billing/money.h"

#include <fmt/format.h>

#include <algorithm>

namespace tertulia::billing {
namespace {

// Digits, perhaps a point and at most `decimals` more digits, as an integer of the last decimal's unit.
std::optional<std::int64_t> parse_decimal(std::string_view text, std::size_t decimals, std::int64_t most_units) {
    const std::size_t point = std::min(text.find('.'), text.size());
    const std::string_view whole = text.substr(0, point);
    const std::string_view fraction = point == text.size() ? std::string_view() : text.substr(point + 1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (whole.empty() || whole.size() > 12 || fraction.size() > decimals) return std::nullopt;
    if (point != text.size() && fraction.empty()) return std::nullopt;
    if (!std::ranges::all_of(whole, is_digit) || !std::ranges::all_of(fraction, is_digit)) return std::nullopt;
    std::int64_t value = 0;
    for (const char c : whole) value = value * 10 + (c - '0');
    if (value > most_units) return std::nullopt;
    for (std::size_t i = 0; i < decimals; ++i) value = value * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
    return value;
}

}  // namespace

std::string format_usd(std::int64_t nano) {
    const bool is_negative = nano < 0;
    const std::uint64_t size =
        is_negative ? std::uint64_t{0} - static_cast<std::uint64_t>(nano) : static_cast<std::uint64_t>(nano);
    constexpr auto unit = static_cast<std::uint64_t>(nano_per_usd);
    return fmt::format("{}{}.{:09}", is_negative ? "-" : "", size / unit, size % unit);
}

std::optional<std::int64_t> parse_usd(std::string_view text) {
    return parse_decimal(text, 9, 1'000'000'000);
}

std::optional<std::int64_t> parse_price(std::string_view text) {
    return parse_decimal(text, 6, 1'000'000);
}

}  // namespace tertulia::billing
