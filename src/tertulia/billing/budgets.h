// What is left of the budgets, kept while the server runs.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/billing/budget.h"

namespace tertulia::billing {

/// Money that is set aside for one attempt. Settle it with what the attempt cost; where that does not come about
/// (nothing is billed), its destruction gives all of it back. An empty one (no budget applies) does nothing. For one
/// thread at a time; who made it outlives it.
class Reservation {
  public:
    /// Told once, with what the attempt cost.
    using Settle = std::move_only_function<void(std::int64_t nano)>;

    Reservation() = default;
    explicit Reservation(Settle settle) : settle_(std::move(settle)) {}
    Reservation(Reservation&& other) noexcept { *this = std::move(other); }
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation() { settle(0); }

    /// The attempt is over and has cost so much (which may be more than was set aside). Further calls do nothing.
    void settle(std::int64_t nano);
    bool is_empty() const { return !settle_; }

  private:
    Settle settle_;
};

/// A budget in one of its windows. Value.
struct AppliedBudget {
    BudgetRule rule;
    BudgetWindow window;
};

/// budget_exceeded, with what is left of the budget and when it is renewed.
base::Error budget_exceeded(const BudgetRule& rule, std::int64_t left, std::int64_t wanted, const BudgetWindow& window);

/// The budgets of the configuration and what was spent of them. What the ledger knows of a window is asked once and
/// told by `set_spent`; from then on it is counted here. An attempt counts in the window in which it was reserved.
/// Shared; safe from any thread.
class Budgets {
  public:
    explicit Budgets(std::vector<BudgetRule> rules) : rules_(std::move(rules)) {}
    Budgets(const Budgets&) = delete;

    /// Does any budget apply to the session?
    bool apply_to(std::string_view owner, std::string_view session_id) const;

    /// All that apply to the session at `now_us`: of those with one window the smallest.
    std::vector<AppliedBudget> applied(std::string_view owner, std::string_view session_id, std::int64_t now_us) const;

    /// The windows that count for the session at `now_us` and whose spending is not known yet.
    std::vector<BudgetWindow> unknown(std::string_view owner, std::string_view session_id, std::int64_t now_us);
    /// What the ledger says was spent in it. Does nothing where the window is known already.
    void set_spent(const BudgetWindow& window, std::int64_t nano);

    /// Sets `nano` aside in all windows that count for the session, or in none: budget_exceeded, with what is left of
    /// the budget that has least and when it is renewed. A window that is unknown counts as unspent.
    base::Result<Reservation> reserve(std::string_view owner, std::string_view session_id, std::int64_t nano,
                                      std::int64_t now_us);

  private:
    struct Account {
        std::int64_t spent = 0;
        std::int64_t reserved = 0;
    };
    void settle(const std::vector<BudgetWindow>& windows, std::int64_t reserved, std::int64_t spent);
    void forget_old(std::int64_t now_us);

    const std::vector<BudgetRule> rules_;
    std::mutex mutex_;
    std::map<BudgetWindow, Account> accounts_;
    std::size_t forget_at_ = 1024;
};

}  // namespace tertulia::billing
