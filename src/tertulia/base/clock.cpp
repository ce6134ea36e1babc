#include "tertulia/base/clock.h"

#include <algorithm>

namespace tertulia::base {
namespace {

class SystemClock final : public Clock {
  public:
    SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    std::int64_t wall_us() const override {
        return std::chrono::duration_cast<std::chrono::microseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }
};

constexpr std::size_t timestamp_size = 27;

// The microseconds of a timestamp in our own form, or -1.
std::int64_t parse_own_form(std::string_view text) {
    constexpr std::string_view shape = "0000-00-00T00:00:00.000000Z";
    if (text.size() != shape.size()) return -1;
    for (std::size_t i = 0; i < shape.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == '0' ? !digit : text[i] != shape[i]) return -1;
    }
    const auto number = [&](std::size_t at, std::size_t size) {
        std::int64_t value = 0;
        for (std::size_t i = at; i < at + size; ++i) value = value * 10 + (text[i] - '0');
        return value;
    };
    const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))),
                                          std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                          std::chrono::day(static_cast<unsigned>(number(8, 2)))};
    if (!day.ok()) return -1;
    const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
    return (((days * 24 + number(11, 2)) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1'000'000 + number(20, 6);
}

}  // namespace

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

std::string format_timestamp(std::int64_t us) {
    const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds(us)};
    const auto days = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day day{days};
    const std::chrono::hh_mm_ss<std::chrono::microseconds> clock{time - days};
    // By hand: four of these a turn took a tenth of its time with fmt's general formatting.
    std::string text("0000-00-00T00:00:00.000000Z");
    const auto write = [&](std::size_t at, std::size_t size, std::int64_t value) {
        for (std::size_t i = at + size; i-- > at; value /= 10) text[i] = static_cast<char>('0' + value % 10);
    };
    write(0, 4, static_cast<int>(day.year()));
    write(5, 2, static_cast<unsigned>(day.month()));
    write(8, 2, static_cast<unsigned>(day.day()));
    write(11, 2, clock.hours().count());
    write(14, 2, clock.minutes().count());
    write(17, 2, clock.seconds().count());
    write(20, 6, clock.subseconds().count());
    return text;
}

std::string next_timestamp(std::string_view last, std::int64_t now_us) {
    std::string now = format_timestamp(now_us);
    if (now > last) return now;
    if (const std::int64_t last_us = parse_own_form(last); last_us >= 0) {
        if (std::string next = format_timestamp(last_us + 1); next > last) return next;
    }
    // A foreign form that sorts after the clock. The smallest place after it in our own form is its first 26 characters
    // with the last digits raised; where that cannot be (it holds no digits there), appending sorts after it in any
    // case.
    std::string next(last.substr(0, std::min(last.size(), timestamp_size - 1)));
    for (std::size_t i = next.size(); i-- > 0;) {
        if (next[i] >= '0' && next[i] < '9') {
            ++next[i];
            for (std::size_t k = i + 1; k < next.size(); ++k)
                if (next[k] == '9') next[k] = '0';
            next += 'Z';
            if (next > last && parse_own_form(next) >= 0) return next;
            break;
        }
        if (next[i] != '9' && next[i] != '.' && next[i] != ':') break;
    }
    return std::string(last) + "0";
}

}  // namespace tertulia::base
