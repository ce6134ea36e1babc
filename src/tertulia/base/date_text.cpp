#include "tertulia/base/date_text.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace tertulia::base {
namespace {

/// Takes a text apart from its front; once something is not as expected, it has failed.
class DateReader {
  public:
    explicit DateReader(std::string_view text) : rest_(text) {}

    /// A number of exactly so many digits.
    int number(std::size_t digits) {
        int value = 0;
        if (rest_.size() < digits) failed_ = true;
        for (std::size_t i = 0; i < digits && !failed_; ++i) {
            const char c = rest_[i];
            if (c < '0' || c > '9') failed_ = true;
            value = value * 10 + (c - '0');
        }
        if (!failed_) rest_.remove_prefix(digits);
        return value;
    }
    std::string_view word(std::size_t size) {
        const std::string_view word = rest_.substr(0, size);
        rest_.remove_prefix(word.size());
        if (word.size() < size) failed_ = true;
        return word;
    }
    void expect(std::string_view text) {
        if (!take(text)) failed_ = true;
    }
    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    /// Of a second, in microseconds.
    int fraction() {
        if (!take(".")) return 0;
        const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        if (digits == 0) failed_ = true;
        int value = 0;
        for (std::size_t i = 0; i < 6; ++i) value = value * 10 + (i < digits ? rest_[i] - '0' : 0);
        rest_.remove_prefix(digits);
        return value;
    }
    bool is_good() const { return !failed_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

std::optional<std::int64_t> to_us(int year, int month, int day, int hour, int minute, int second, int offset_minutes) {
    namespace chrono = std::chrono;
    const chrono::year_month_day date(chrono::year(year), chrono::month(static_cast<unsigned>(month)),
                                      chrono::day(static_cast<unsigned>(day)));
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return {};
    const auto time = chrono::sys_days(date) + chrono::hours(hour) + chrono::minutes(minute) + chrono::seconds(second) -
                      chrono::minutes(offset_minutes);
    return chrono::duration_cast<chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text) {
    constexpr auto months = std::to_array<std::string_view>(
        {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"});
    DateReader reader(text);
    (void)reader.word(3);
    reader.expect(", ");
    const int day = reader.number(2);
    reader.expect(" ");
    const auto* const month = std::ranges::find(months, reader.word(3));
    reader.expect(" ");
    const int year = reader.number(4);
    reader.expect(" ");
    const int hour = reader.number(2);
    reader.expect(":");
    const int minute = reader.number(2);
    reader.expect(":");
    const int second = reader.number(2);
    reader.expect(" GMT");
    if (!reader.is_good() || month == months.end()) return {};
    return to_us(year, static_cast<int>(month - months.begin()) + 1, day, hour, minute, second, 0);
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    DateReader reader(text);
    const int year = reader.number(4);
    reader.expect("-");
    const int month = reader.number(2);
    reader.expect("-");
    const int day = reader.number(2);
    if (!reader.take("t")) reader.expect("T");
    const int hour = reader.number(2);
    reader.expect(":");
    const int minute = reader.number(2);
    reader.expect(":");
    const int second = reader.number(2);
    const int fraction_us = reader.fraction();
    int offset = 0;
    if (!reader.take("Z") && !reader.take("z")) {
        const bool is_west = reader.take("-");
        if (!is_west) reader.expect("+");
        const int hours = reader.number(2);
        (void)reader.take(":");
        const int minutes = reader.number(2);
        if (hours > 23 || minutes > 59) return {};
        offset = (hours * 60 + minutes) * (is_west ? -1 : 1);
    }
    const auto whole = to_us(year, month, day, hour, minute, second, offset);
    if (!reader.is_good() || !whole) return {};
    return *whole + fraction_us;
}

}  // namespace tertulia::base
