// What a turn's attempts cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/models/model_call.h"
#include "tertulia/sessions/billed.h"
#include "tertulia/sessions/spending.h"

namespace tertulia::sessions {

/// From what is set aside for each attempt of a turn's call to the bills of those that are billed. Belongs to the
/// turn's task; one worker.
class TurnBills {
  public:
    explicit TurnBills(Spending& spending) : spending_(spending) {}

    /// Spending::limits: where no budget does, `reserve` and `close` need not be asked, as of most turns.
    bool limits(const SessionKey& key) const { return spending_.limits(key); }
    /// Sets an attempt's worst case aside (Spending::reserve): of the call's next one.
    async::Task<base::Result<void>> reserve(TurnName turn, std::int64_t session_spent_nano, std::string model,
                                            std::int64_t prompt_tokens, std::int64_t max_tokens);
    /// What an attempt that is over did not use of its reservation is there for the next one; one that did not come
    /// about leaves none.
    void settle_ended(const models::ModelCall& call);
    void settle_all(const models::ModelCall& call);
    /// No more attempts come: what is still set aside is given back (Spending::close).
    async::Task<void> close(TurnName turn);

    /// What the record of a turn that another process ran before says of its attempts.
    void take_noted(std::string_view record, std::string_view bytes);
    /// Bills that no record says yet, and never will again.
    bool has_unnoted() const { return noted_ < bills_.size(); }
    Billed take_unnoted();

    billing::BillTotal total() const { return billing::add_up(bills_); }
    std::vector<billing::Bill> take() { return std::move(bills_); }

  private:
    void settle(const models::ModelCall& call, std::size_t attempt);

    struct Held {
        billing::Reservation reservation;
        bool is_settled = false;
    };
    Spending& spending_;
    std::vector<Held> held_;            // of the call's attempts, in their order; none where no budget applies
    std::vector<billing::Bill> bills_;  // of those that are settled, in the order of their ends
    std::size_t noted_ = 0;             // of these
};

}  // namespace tertulia::sessions
