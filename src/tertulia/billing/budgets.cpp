#include "tertulia/billing/budgets.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/billing/money.h"

namespace tertulia::billing {

base::Error budget_exceeded(const BudgetRule& rule, std::int64_t left, std::int64_t wanted,
                            const BudgetWindow& window) {
    base::Error error{.code = base::Errc::budget_exceeded};
    error.message = fmt::format("The {} budget of {} dollars leaves {}; this request may cost up to {}.",
                                rule.period == BudgetPeriod::session ? "session's"
                                : rule.period == BudgetPeriod::day   ? "day's"
                                                                     : "month's",
                                format_usd(rule.limit_nano), format_usd(left), format_usd(wanted));
    error.budget = base::BudgetLeft{.left_nano = left};
    if (window.to_us != BudgetWindow::no_end) error.budget->renews_at_us = window.to_us;
    return error;
}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
    if (this == &other) return *this;
    settle(0);
    settle_ = std::exchange(other.settle_, nullptr);
    return *this;
}

void Reservation::settle(std::int64_t nano) {
    if (Settle settle = std::exchange(settle_, nullptr)) settle(nano);
}

bool Budgets::apply_to(std::string_view owner, std::string_view session_id) const {
    return std::ranges::any_of(rules_, [&](const BudgetRule& rule) { return rule.applies_to(owner, session_id); });
}

std::vector<AppliedBudget> Budgets::applied(std::string_view owner, std::string_view session_id,
                                            std::int64_t now_us) const {
    std::vector<AppliedBudget> all;
    for (const BudgetRule& rule : rules_) {
        if (!rule.applies_to(owner, session_id)) continue;
        BudgetWindow window = window_of(rule, owner, session_id, now_us);
        const auto same = std::ranges::find(all, window, &AppliedBudget::window);
        if (same == all.end())
            all.push_back({rule, std::move(window)});
        else if (rule.limit_nano < same->rule.limit_nano)
            same->rule = rule;
    }
    return all;
}

std::vector<BudgetWindow> Budgets::unknown(std::string_view owner, std::string_view session_id, std::int64_t now_us) {
    std::vector<BudgetWindow> windows;
    for (const BudgetRule& rule : rules_)
        if (rule.applies_to(owner, session_id)) windows.push_back(window_of(rule, owner, session_id, now_us));
    std::ranges::sort(windows);
    const auto same = std::ranges::unique(windows);
    windows.erase(same.begin(), same.end());
    const std::lock_guard lock(mutex_);
    std::erase_if(windows, [this](const BudgetWindow& window) { return accounts_.contains(window); });
    return windows;
}

void Budgets::set_spent(const BudgetWindow& window, std::int64_t nano) {
    const std::lock_guard lock(mutex_);
    accounts_.try_emplace(window, Account{.spent = nano});
}

base::Result<Reservation> Budgets::reserve(std::string_view owner, std::string_view session_id, std::int64_t nano,
                                           std::int64_t now_us) {
    std::vector<BudgetWindow> windows;
    const std::lock_guard lock(mutex_);
    std::optional<base::Error> refusal;
    for (const BudgetRule& rule : rules_) {
        if (!rule.applies_to(owner, session_id)) continue;
        BudgetWindow window = window_of(rule, owner, session_id, now_us);
        const Account& account = accounts_[window];
        const std::int64_t left = std::max<std::int64_t>(rule.limit_nano - account.spent - account.reserved, 0);
        if (nano > left && (!refusal || left < refusal->budget->left_nano))
            refusal = budget_exceeded(rule, left, nano, window);
        if (std::ranges::find(windows, window) == windows.end()) windows.push_back(std::move(window));
    }
    if (refusal) return std::unexpected(std::move(*refusal));
    if (windows.empty()) return Reservation();
    for (const BudgetWindow& window : windows) accounts_[window].reserved += nano;
    if (accounts_.size() >= forget_at_) forget_old(now_us);
    return Reservation(
        [this, windows = std::move(windows), nano](std::int64_t spent) { settle(windows, nano, spent); });
}

void Budgets::settle(const std::vector<BudgetWindow>& windows, std::int64_t reserved, std::int64_t spent) {
    const std::lock_guard lock(mutex_);
    for (const BudgetWindow& window : windows) {
        Account& account = accounts_[window];
        account.reserved -= reserved;
        account.spent += spent;
    }
}

// Windows that are over; of sessions, whose windows never are, those that nothing is reserved in are read again from
// the ledger when they are needed. Under the lock.
void Budgets::forget_old(std::int64_t now_us) {
    constexpr std::size_t most_sessions = 100'000;
    const bool too_many = accounts_.size() >= most_sessions;
    std::erase_if(accounts_, [&](const auto& entry) {
        const auto& [window, account] = entry;
        return account.reserved == 0 && (window.to_us <= now_us || (too_many && window.is_of_session()));
    });
    forget_at_ = std::max<std::size_t>(1024, accounts_.size() * 2);
}

}  // namespace tertulia::billing
