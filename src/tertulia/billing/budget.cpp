#include "tertulia/billing/budget.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace tertulia::billing {
namespace {

constexpr std::array<std::pair<BudgetPeriod, std::string_view>, 3> periods{
    {{BudgetPeriod::day, "day"}, {BudgetPeriod::month, "month"}, {BudgetPeriod::session, "session"}}};

std::int64_t to_us(std::chrono::sys_days day) {
    return std::chrono::duration_cast<std::chrono::microseconds>(day.time_since_epoch()).count();
}

}  // namespace

std::string_view to_string(BudgetPeriod period) {
    return std::ranges::find(periods, period, &std::pair<BudgetPeriod, std::string_view>::first)->second;
}

std::optional<BudgetPeriod> parse_budget_period(std::string_view text) {
    const auto* const found = std::ranges::find(periods, text, &std::pair<BudgetPeriod, std::string_view>::second);
    return found == periods.end() ? std::nullopt : std::optional(found->first);
}

bool BudgetRule::applies_to(std::string_view owner, std::string_view session_id) const {
    return name == "*" || name == (scope == BudgetScope::owner ? owner : session_id);
}

BudgetWindow window_of(const BudgetRule& rule, std::string_view owner, std::string_view session_id,
                       std::int64_t now_us) {
    namespace chrono = std::chrono;
    const bool by_session = rule.scope == BudgetScope::session || rule.period == BudgetPeriod::session;
    BudgetWindow window{.owner = std::string(owner),
                        .session_id = by_session ? std::string(session_id) : std::string()};
    if (rule.period == BudgetPeriod::session) return window;
    const auto today =
        chrono::floor<chrono::days>(chrono::sys_time<chrono::microseconds>(chrono::microseconds(now_us)));
    if (rule.period == BudgetPeriod::day) {
        window.from_us = to_us(today);
        window.to_us = to_us(today + chrono::days(1));
        return window;
    }
    const chrono::year_month_day date(today);
    const auto first = date.year() / date.month() / chrono::day(1);
    window.from_us = to_us(first);
    window.to_us = to_us(first + chrono::months(1));
    return window;
}

}  // namespace tertulia::billing
