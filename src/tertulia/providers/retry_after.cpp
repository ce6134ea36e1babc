#include "tertulia/providers/retry_after.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

#include "tertulia/base/date_text.h"

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

milliseconds until(std::int64_t then_us, std::int64_t wall_us) {
    return to_milliseconds(std::max(static_cast<double>(then_us - wall_us) / 1000, 0.0));
}

std::optional<milliseconds> parse_field(std::string_view text, double unit_ms, std::int64_t wall_us) {
    text = trim(text);
    if (const auto date = base::parse_http_date(text)) return until(*date, wall_us);
    const std::optional<double> number = take_number(text);
    if (!number || !text.empty()) return std::nullopt;
    return to_milliseconds(*number * unit_ms);
}

// Takes "1m7.5s" off the start of `text`; what follows stays.
std::optional<milliseconds> take_duration(std::string_view& text) {
    constexpr std::array<std::pair<std::string_view, double>, 5> units{
        {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    double ms = 0;
    bool found = false;
    for (std::string_view rest = text; const std::optional<double> number = take_number(rest);) {
        const auto* const unit =
            std::ranges::find_if(units, [&](const auto& known) { return rest.starts_with(known.first); });
        if (unit == units.end()) break;
        rest.remove_prefix(unit->first.size());
        ms += *number * unit->second;
        found = true;
        text = rest;
    }
    return found ? std::optional(to_milliseconds(ms)) : std::nullopt;
}

// "... Please try again in 1m7.5s. ..."
std::optional<milliseconds> parse_text(std::string_view text) {
    constexpr std::string_view words = "try again in ";
    const std::size_t at = text.find(words);
    if (at == std::string_view::npos) return std::nullopt;
    text.remove_prefix(at + words.size());
    return take_duration(text);
}

// When a limit is whole again: a duration, seconds, a date, or a time as seconds or milliseconds since 1970.
std::optional<milliseconds> parse_reset(std::string_view text, std::int64_t wall_us) {
    constexpr double first_timestamp_s = 1e9, first_timestamp_ms = 1e12;
    text = trim(text);
    if (const auto date = base::parse_rfc3339(text)) return until(*date, wall_us);
    std::string_view rest = text;
    if (const auto duration = take_duration(rest)) return rest.empty() ? duration : std::nullopt;
    const std::optional<double> number = take_number(text);
    if (!number || !text.empty()) return std::nullopt;
    if (*number < first_timestamp_s) return to_milliseconds(*number * 1000);
    const double then_ms = *number < first_timestamp_ms ? *number * 1000 : *number;
    return to_milliseconds(std::max(then_ms - static_cast<double>(wall_us) / 1000, 0.0));
}

// Of the name of a field with a reset, that of the field with what remains; empty where the name is none.
std::string remaining_name(std::string_view name) {
    constexpr std::string_view openai = "x-ratelimit-reset", anthropic = "anthropic-ratelimit-", reset = "-reset";
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (lower.starts_with(openai)) return "x-ratelimit-remaining" + lower.substr(openai.size());
    if (lower.starts_with(anthropic) && lower.ends_with(reset))
        return lower.substr(0, lower.size() - reset.size()) + "-remaining";
    return {};
}

std::optional<milliseconds> longest_reset(const http::Headers& headers, std::int64_t wall_us) {
    std::optional<milliseconds> longest;
    for (const auto& [name, value] : headers.fields()) {
        const std::string remaining = remaining_name(name);
        if (remaining.empty() || trim(headers.get(remaining, "0")) != "0") continue;
        if (const auto wait = parse_reset(value, wall_us)) longest = std::max(longest, wait);
    }
    return longest;
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
    if (!longest) longest = parse_text(error_text);
    return longest ? longest : longest_reset(headers, wall_us);
}

}  // namespace tertulia::providers
