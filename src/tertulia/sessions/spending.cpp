#include "tertulia/sessions/spending.h"

#include <fmt/format.h>

#include <utility>

namespace tertulia::sessions {

async::Task<base::Result<billing::Reservation>> Spending::reserve(SessionKey key, std::int64_t session_spent_nano,
                                                                  std::string model, std::int64_t prompt_tokens,
                                                                  std::int64_t max_tokens) {
    if (!budgets_.apply_to(key.owner, key.session_id)) co_return billing::Reservation();
    const auto worst = prices_.worst_case(model, prompt_tokens, max_tokens);
    if (!worst)
        co_return base::fail(
            base::Errc::invalid_request,
            fmt::format("No price is known for {}, and a budget applies: choose another model, or give its price "
                        "in the server's configuration ([[prices]]).",
                        model));
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

billing::Bill Spending::settle(billing::Reservation reservation, billing::Bill bill) {
    bill = prices_.priced(std::move(bill));
    reservation.settle(bill.cost_nano.value_or(0));
    return bill;
}

}  // namespace tertulia::sessions
