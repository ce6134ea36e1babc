#include "tertulia/sessions/shared_order.h"

#include <utility>

namespace tertulia::sessions {

async::Task<base::Result<SharedOrder::Look>> SharedOrder::look(TurnOpening opening, bool rejects) {
    // Who interrupts may have gone before it meanwhile.
    if (!parts_.registry.stop_waiting_elsewhere(claim_)) co_return Look{.must_wait = true, .session = {}};
    auto opened = co_await parts_.store.open_turn(std::move(opening));
    if (opened) co_return Look{.must_wait = false, .session = *std::move(opened)};
    const bool is_busy = opened.error().code == base::Errc::conflict && opened.error().retry_after;
    if (!is_busy || rejects) co_return std::unexpected(std::move(opened.error()));
    if (claim_.interrupts && claim_.parent.empty()) co_await interrupt();
    parts_.registry.wait_elsewhere(claim_);
    co_return Look{.must_wait = true, .session = {}};
}

// Whatever runs before the claim's own turn, each once. What goes wrong with this shows at the next look.
async::Task<void> SharedOrder::interrupt() {
    auto running = co_await parts_.store.running_turn(claim_.key());
    if (!running || running->empty() || *running == interrupted_) co_return;
    const auto asked =
        co_await parts_.store.ask_to_stop({.key = claim_.key(), .turn_id = *running}, TurnState::cancelled);
    if (asked && *asked) interrupted_ = *std::move(running);
}

async::Task<void> SharedOrder::wait(base::Deadline deadline) {
    co_await claim_.waiter->wait(deadline.earlier(base::Deadline::after(pause_.next())));
}

}  // namespace tertulia::sessions
