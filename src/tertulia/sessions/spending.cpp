#include "tertulia/sessions/spending.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tertulia::sessions {

async::Task<base::Result<billing::Reservation>> Spending::reserve(TurnName turn, std::int64_t session_spent_nano,
                                                                  std::string model, std::int64_t prompt_tokens,
                                                                  std::int64_t max_tokens) {
    const SessionKey& key = turn.key;
    if (!limits(key)) co_return billing::Reservation();
    const auto worst = prices_.worst_case(model, prompt_tokens, max_tokens);
    if (!worst)
        co_return base::fail(
            base::Errc::invalid_request,
            fmt::format("No price is known for {}, and a budget applies: choose another model, or give its price "
                        "in the server's configuration ([[prices]]).",
                        model));
    if (store_.is_shared()) co_return co_await reserve_shared(std::move(turn), session_spent_nano, *worst);
    const std::int64_t now_us = clock_.wall_us();
    for (const billing::BudgetWindow& window : budgets_.unknown(key.owner, key.session_id, now_us)) {
        std::int64_t spent = session_spent_nano;
        if (!window.is_of_session()) {
            const auto report = co_await store_.usage({.owner = window.owner,
                                                       .session_id = window.session_id,
                                                       .from_us = window.from_us,
                                                       .to_us = window.to_us});
            if (!report) co_return std::unexpected(report.error());
            spent = report->total.cost_nano + report->total.hedge_nano;
        }
        budgets_.set_spent(window, spent);
    }
    co_return budgets_.reserve(key.owner, key.session_id, *worst, now_us);
}

async::Task<base::Result<billing::Reservation>> Spending::reserve_shared(TurnName turn, std::int64_t session_spent_nano,
                                                                         std::int64_t nano) {
    std::shared_ptr<Tally> tally;
    {
        const std::lock_guard lock(mutex_);
        std::shared_ptr<Tally>& known = tallies_[name_of(turn)];
        if (!known) {
            known = std::make_shared<Tally>();
            for (billing::AppliedBudget& budget :
                 budgets_.applied(turn.key.owner, turn.key.session_id, clock_.wall_us()))
                (turn.turn_id.empty() && !budget.window.session_id.empty() ? known->own : known->budgets)
                    .push_back(std::move(budget));
        }
        tally = known;
    }
    BudgetHold hold{.turn = turn};
    {
        const std::lock_guard lock(tally->mutex);
        for (const billing::AppliedBudget& budget : tally->own)
            if (const std::int64_t left = budget.rule.limit_nano - tally->spent - tally->reserved; left < nano)
                co_return std::unexpected(
                    billing::budget_exceeded(budget.rule, std::max<std::int64_t>(0, left), nano, budget.window));
        tally->reserved += nano;
        hold.held_nano = tally->held;
        hold.nano = std::max<std::int64_t>(0, tally->spent + tally->reserved - tally->held);
        tally->held += hold.nano;
        for (const billing::AppliedBudget& budget : tally->budgets) {
            SharedBudget& shared = hold.budgets.emplace_back();
            shared = {.window = budget.window, .limit_nano = budget.rule.limit_nano};
            if (budget.window.is_of_session()) shared.spent_nano = session_spent_nano;
        }
    }
    // What an earlier attempt left unspent may be enough.
    base::Result<std::optional<BudgetShortage>> shortage;
    if (hold.nano > 0 && !hold.budgets.empty()) shortage = co_await store_.hold_budgets(hold);
    if (!shortage || *shortage) {
        const std::lock_guard lock(tally->mutex);
        tally->reserved -= nano;
        tally->held -= hold.nano;
    }
    if (!shortage) co_return std::unexpected(std::move(shortage.error()));
    if (*shortage) {
        const billing::AppliedBudget& budget = tally->budgets[(*shortage)->which];
        co_return std::unexpected(
            billing::budget_exceeded(budget.rule, (*shortage)->left_nano, hold.nano, budget.window));
    }
    co_return billing::Reservation([tally, nano](std::int64_t spent) {
        const std::lock_guard lock(tally->mutex);
        tally->reserved -= nano;
        tally->spent += spent;
    });
}

billing::Bill Spending::settle(billing::Reservation reservation, billing::Bill bill) {
    bill = prices_.priced(std::move(bill));
    reservation.settle(bill.cost_nano.value_or(0));
    return bill;
}

async::Task<void> Spending::close(TurnName turn) {
    std::shared_ptr<Tally> tally;
    {
        const std::lock_guard lock(mutex_);
        const auto found = tallies_.find(name_of(turn));
        if (found == tallies_.end()) co_return;
        tally = std::move(found->second);
        tallies_.erase(found);
    }
    BudgetSettlement settlement{.turn = std::move(turn)};
    {
        const std::lock_guard lock(tally->mutex);
        settlement.held_nano = tally->held;
        settlement.spent_nano = tally->spent;
        for (const billing::AppliedBudget& budget : tally->budgets) settlement.windows.push_back(budget.window);
    }
    if (settlement.held_nano == 0 || settlement.windows.empty()) co_return;
    co_await store_.settle_budgets(std::move(settlement));
}

std::string Spending::name_of(const TurnName& turn) {
    return turn.turn_id.empty() ? turn.key.session_id : turn.turn_id;
}

}  // namespace tertulia::sessions
