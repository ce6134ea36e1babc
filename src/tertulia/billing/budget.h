// How much may be spent, by whom, and until when.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::billing {

/// Whose spending is counted together.
enum class BudgetScope : std::uint8_t { owner, session };
/// How long it is counted: a day or a month in UTC, or a session's whole life.
enum class BudgetPeriod : std::uint8_t { day, month, session };
std::string_view to_string(BudgetPeriod period);
std::optional<BudgetPeriod> parse_budget_period(std::string_view text);

/// One `[[budgets]]` entry. Value.
struct BudgetRule {
    BudgetScope scope = BudgetScope::owner;
    /// Which owner or session; `*`: each has a budget of its own.
    std::string name = "*";
    BudgetPeriod period = BudgetPeriod::day;
    std::int64_t limit_nano = 0;

    bool applies_to(std::string_view owner, std::string_view session_id) const;
};

/// A stretch of somebody's spending that is counted together. Value.
struct BudgetWindow {
    static constexpr std::int64_t no_end = std::numeric_limits<std::int64_t>::max();

    std::string owner;
    /// Empty: all sessions of the owner.
    std::string session_id;
    /// Microseconds since 1970: from (inclusive) and to (exclusive).
    std::int64_t from_us = 0;
    std::int64_t to_us = no_end;

    /// A session's whole life.
    bool is_of_session() const { return !session_id.empty() && to_us == no_end; }
    auto operator<=>(const BudgetWindow&) const = default;
};

/// The window of the rule that `now_us` falls into. A budget per session counts by session, whatever its scope. Pure.
BudgetWindow window_of(const BudgetRule& rule, std::string_view owner, std::string_view session_id,
                       std::int64_t now_us);

}  // namespace tertulia::billing
