#include "tertulia/sessions/turn_bills.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tertulia/sessions/event_record.h"

namespace tertulia::sessions {

async::Task<base::Result<void>> TurnBills::reserve(TurnName turn, std::int64_t session_spent_nano, std::string model,
                                                   std::int64_t prompt_tokens, std::int64_t max_tokens) {
    auto reserved =
        co_await spending_.reserve(std::move(turn), session_spent_nano, std::move(model), prompt_tokens, max_tokens);
    if (!reserved) co_return std::unexpected(std::move(reserved.error()));
    if (!reserved->is_empty()) held_.push_back({std::move(*reserved)});
    co_return base::Result<void>();
}

void TurnBills::settle_ended(const models::ModelCall& call) {
    held_.resize(call.attempts().size());
    for (std::size_t i = 0; i < held_.size(); ++i)
        if (call.attempts()[i].is_over) settle(call, i);
}

void TurnBills::settle_all(const models::ModelCall& call) {
    held_.resize(call.attempts().size());
    for (std::size_t i = 0; i < held_.size(); ++i) settle(call, i);
}

async::Task<void> TurnBills::close(TurnName turn) {
    for (Held& held : held_) held.reservation = {};  // what is settled stays so: the turn may go on to its end
    return spending_.close(std::move(turn));
}

void TurnBills::settle(const models::ModelCall& call, std::size_t attempt) {
    if (std::exchange(held_[attempt].is_settled, true)) return;
    const models::AttemptRecord& record = call.attempts()[attempt];
    billing::Reservation reservation = std::move(held_[attempt].reservation);
    if (!record.is_billed()) return;
    bills_.push_back(spending_.settle(
        std::move(reservation),
        {.model = call.targets()[record.target].name, .usage = record.usage(), .is_hedge = record.lost_race}));
}

void TurnBills::take_noted(std::string_view record, std::string_view bytes) {
    EventEntry entry;
    std::size_t at = 0;
    for (EventCursor cursor; cursor.next(record, entry); at += std::size_t(entry.text_size) + entry.extra_size)
        if (entry.kind == EventKind::billed)
            if (auto billed = Billed::from_text(bytes.substr(at, entry.text_size)))
                std::ranges::move(billed->bills, std::back_inserter(bills_));
    noted_ = bills_.size();
}

Billed TurnBills::take_unnoted() {
    Billed billed{.bills = {bills_.begin() + static_cast<std::ptrdiff_t>(noted_), bills_.end()}};
    noted_ = bills_.size();
    return billed;
}

}  // namespace tertulia::sessions
