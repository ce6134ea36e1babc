#include "tertulia/providers/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace tertulia::providers {
namespace {

using std::chrono::milliseconds;

constexpr double longest_ms = 24.0 * 3600 * 1000;

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

// Reads a number at the start of `text` and takes it off; negative ones count as 0.
std::optional<double> take_number(std::string_view& text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return std::max(number, 0.0);
}

milliseconds to_milliseconds(double ms) {
    return milliseconds(static_cast<std::int64_t>(std::ceil(std::min(ms, longest_ms))));
}

std::optional<int> digits(std::string_view text) {
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
    return value;
}

// `Sun, 06 Nov 1994 08:49:37 GMT`: the one form of an HTTP date that may be sent today (RFC 9110, IMF-fixdate).
std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view text) {
    constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" || text[19] != ':' ||
        text[22] != ':')
        return std::nullopt;
    const auto month = std::find(months.begin(), months.end(), text.substr(8, 3));
    const auto day = digits(text.substr(5, 2)), year = digits(text.substr(12, 4)), hour = digits(text.substr(17, 2)),
               minute = digits(text.substr(20, 2)), second = digits(text.substr(23, 2));
    if (month == months.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
    const std::chrono::year_month_day date(std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(month - months.begin()) + 1),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
           std::chrono::seconds(*second);
}

std::optional<milliseconds> parse_field(std::string_view text, double unit_ms, std::int64_t wall_us) {
    text = trim(text);
    if (const auto date = parse_http_date(text)) {
        const double wait_ms =
            static_cast<double>(date->time_since_epoch().count()) * 1000 - static_cast<double>(wall_us) / 1000;
        return to_milliseconds(std::max(wait_ms, 0.0));
    }
    const std::optional<double> number = take_number(text);
    if (!number || !text.empty()) return std::nullopt;
    return to_milliseconds(*number * unit_ms);
}

// "... Please try again in 1m7.5s. ..."
std::optional<milliseconds> parse_text(std::string_view text) {
    constexpr std::string_view words = "try again in ";
    constexpr std::array<std::pair<std::string_view, double>, 4> units{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}}};
    const std::size_t at = text.find(words);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + words.size());
    double ms = 0;
    bool found = false;
    while (const std::optional<double> number = take_number(text)) {
        const auto unit =
            std::find_if(units.begin(), units.end(), [&](const auto& u) { return text.starts_with(u.first); });
        if (unit == units.end()) break;
        text.remove_prefix(unit->first.size());
        ms += *number * unit->second;
        found = true;
    }
    return found ? std::optional(to_milliseconds(ms)) : std::nullopt;
}

}  // namespace

std::optional<milliseconds> retry_after(const http::Headers& headers, std::string_view error_text,
                                        std::int64_t wall_us) {
    constexpr std::array<std::pair<std::string_view, double>, 3> fields{
        {{"retry-after-ms", 1}, {"x-ms-retry-after-ms", 1}, {"retry-after", 1000}}};
    std::optional<milliseconds> longest;
    for (const auto& [name, unit_ms] : fields)
        if (const std::string* value = headers.find(name))
            if (const auto wait = parse_field(*value, unit_ms, wall_us)) longest = std::max(longest, wait);
    return longest ? longest : parse_text(error_text);
}

}  // namespace tertulia::providers
