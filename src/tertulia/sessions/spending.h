// What an attempt may cost is set aside before it starts, and settled when it is over.
#pragma once

#include <cstdint>
#include <string>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/billing/budgets.h"
#include "tertulia/billing/prices.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// Prices, budgets and the ledger together. One line before each attempt, hedges included, and one after it:
///
///     auto reserved = co_await spending.reserve(key, header.spent_nano, "provider/id", prompt_tokens, max_tokens);
///     if (!reserved) …                                                              // reserved.error()
///     bills.push_back(spending.settle(std::move(*reserved), {.model = "provider/id", .usage = usage}));
///
/// An attempt that is not billed drops its reservation. Shared; safe from any thread: the task comes back on the
/// caller's worker. All parts outlive it.
class Spending {
  public:
    Spending(billing::Prices& prices, billing::Budgets& budgets, SessionStore& store, const base::Clock& clock)
        : prices_(prices), budgets_(budgets), store_(store), clock_(clock) {}

    /// Sets the attempt's worst case aside: `prompt_tokens` (estimated) and `max_tokens` of output at the model's
    /// price. Empty, and at once, where no budget applies. `session_spent_nano`: SessionHeader::spent_nano as the turn
    /// has read it. Errors: budget_exceeded (402); invalid_request (400) where a budget applies and the model's price
    /// is not known; unavailable where the ledger cannot be read.
    async::Task<base::Result<billing::Reservation>> reserve(SessionKey key, std::int64_t session_spent_nano,
                                                            std::string model, std::int64_t prompt_tokens,
                                                            std::int64_t max_tokens);

    /// The bill with its price, and the reservation settled with its cost.
    billing::Bill settle(billing::Reservation reservation, billing::Bill bill);

  private:
    billing::Prices& prices_;
    billing::Budgets& budgets_;
    SessionStore& store_;
    const base::Clock& clock_;
};

}  // namespace tertulia::sessions
