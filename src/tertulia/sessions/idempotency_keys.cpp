#include "tertulia/sessions/idempotency_keys.h"

#include <utility>

namespace tertulia::sessions {

IdempotencyKeys::Claim IdempotencyKeys::claim(const std::string& owner, const std::string& key,
                                              const std::string& fingerprint, bool fresh,
                                              std::shared_ptr<async::Waiter> waiter) {
    const std::lock_guard lock(mutex_);
    const auto [found, is_new] = entries_.try_emplace(entry_name(owner, key));
    Entry& entry = found->second;
    if (is_new || fresh) {
        entry.fingerprint = fingerprint;
        entry.turn = {};
        return {Outcome::mine, {}};
    }
    if (entry.fingerprint != fingerprint) return {Outcome::mismatch, {}};
    if (!entry.turn.turn_id.empty()) return {Outcome::joins, entry.turn};
    entry.waiters.push_back(std::move(waiter));
    return {Outcome::wait, {}};
}

void IdempotencyKeys::bind(const std::string& owner, const std::string& key, const TurnName& turn) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(entry_name(owner, key));
    if (found == entries_.end()) return;
    found->second.turn = turn;
    wake(found->second);
}

void IdempotencyKeys::release(const std::string& owner, const std::string& key, const std::string& turn_id) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(entry_name(owner, key));
    if (found == entries_.end() || found->second.turn.turn_id != turn_id) return;
    wake(found->second);
    entries_.erase(found);
}

void IdempotencyKeys::wake(Entry& entry) {
    for (const auto& waiter : std::exchange(entry.waiters, {})) waiter->wake();
}

}  // namespace tertulia::sessions
