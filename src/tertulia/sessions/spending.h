// What an attempt may cost is set aside before it starts, and settled when it is over.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/billing/budgets.h"
#include "tertulia/billing/prices.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// Prices, budgets and the ledger together. One line before each attempt, hedges included, one after it, and one at the
/// turn's end:
///
///     auto reserved = co_await spending.reserve(turn, header.spent_nano, "provider/id", prompt_tokens, max_tokens);
///     if (!reserved) …                                                              // reserved.error()
///     bills.push_back(spending.settle(std::move(*reserved), {.model = "provider/id", .usage = usage}));
///     co_await spending.close(turn);
///
/// An attempt that is not billed drops its reservation. On a store of one process budgets are counted in its memory; on
/// one that several share, in the store, where a turn holds the most that its attempts may cost until it is closed.
/// Shared; safe from any thread: tasks come back on the caller's worker. All parts outlive it.
class Spending {
  public:
    Spending(billing::Prices& prices, billing::Budgets& budgets, SessionStore& store, const base::Clock& clock)
        : prices_(prices), budgets_(budgets), store_(store), clock_(clock) {}

    /// May a budget say no to what this session's turns ask? Where none may, there is nothing to reserve.
    bool limits(const SessionKey& key) const { return budgets_.apply_to(key.owner, key.session_id); }
    /// Sets the attempt's worst case aside: `prompt_tokens` (estimated) and `max_tokens` of output at the model's
    /// price. Empty, and at once, where no budget applies. `session_spent_nano`: SessionHeader::spent_nano as the turn
    /// has read it. `turn`: with an empty turn_id a call of its own in a session that is never stored. Errors:
    /// budget_exceeded (402); invalid_request (400) where a budget applies and the model's price is not known;
    /// unavailable where the ledger cannot be read.
    async::Task<base::Result<billing::Reservation>> reserve(TurnName turn, std::int64_t session_spent_nano,
                                                            std::string model, std::int64_t prompt_tokens,
                                                            std::int64_t max_tokens);

    /// The bill with its price, and the reservation settled with its cost.
    billing::Bill settle(billing::Reservation reservation, billing::Bill bill);

    /// The turn makes no more attempts, and all are settled. May fail silently: then what it holds is settled when
    /// somebody needs it (SessionStore::hold_budgets).
    async::Task<void> close(TurnName turn);

  private:
    // What a turn has in the budgets of a store that is shared.
    struct Tally {
        std::mutex mutex;
        std::vector<billing::AppliedBudget> budgets;  // as of its first attempt
        // Of a call that is no turn: what is its session's alone.
        std::vector<billing::AppliedBudget> own;
        std::int64_t held = 0;      // in the store
        std::int64_t reserved = 0;  // by its attempts that are not over
        std::int64_t spent = 0;     // by the others
    };
    async::Task<base::Result<billing::Reservation>> reserve_shared(TurnName turn, std::int64_t session_spent_nano,
                                                                   std::int64_t nano);
    static std::string name_of(const TurnName& turn);

    billing::Prices& prices_;
    billing::Budgets& budgets_;
    SessionStore& store_;
    const base::Clock& clock_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Tally>> tallies_;
};

}  // namespace tertulia::sessions
