// What a turn sets aside of budgets that several processes count together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "tertulia/billing/budget.h"
#include "tertulia/sessions/store_values.h"

namespace tertulia::sessions {

/// One of the budgets that a turn counts in. Value.
struct SharedBudget {
    billing::BudgetWindow window;
    std::int64_t limit_nano = 0;
    /// What was spent in the window, for the case that nobody counts it yet; nothing: the ledger knows.
    std::optional<std::int64_t> spent_nano = {};
};

/// `nano` is to be set aside for the turn in all of these budgets, beside the `held_nano` that it holds there already.
/// An empty `turn_id`: a call that belongs to no turn, and to a session that is never stored. Value.
struct BudgetHold {
    TurnName turn;
    std::int64_t held_nano = 0;
    std::int64_t nano = 0;
    /// Each window once.
    std::vector<SharedBudget> budgets;
};

/// Which of the budgets had no room, and what is left of it. Value.
struct BudgetShortage {
    std::size_t which = 0;
    std::int64_t left_nano = 0;
};

/// The turn is over, and has cost `spent_nano` of the `held_nano` that it held in all of these. Value.
struct BudgetSettlement {
    TurnName turn;
    std::int64_t held_nano = 0;
    std::int64_t spent_nano = 0;
    std::vector<billing::BudgetWindow> windows;
};

}  // namespace tertulia::sessions
