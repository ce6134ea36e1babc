// How a process holds on to the sessions that its turns have claimed.
#include <algorithm>
#include <utility>

#include "tertulia/storage/dynamodb_sessions.h"

namespace tertulia::storage {

using sessions::TurnState;

namespace {

// How often the claims are looked through.
constexpr base::Milliseconds renewal_tick{250};
constexpr base::Milliseconds least_renewal_time{1000};

}  // namespace

// Counted from before it was asked for: others count from when it was written.
void DynamoSessions::set_held(Running& runs, base::SteadyTime asked_at, std::int64_t until_ms) const {
    runs.held_until_ms = until_ms;
    runs.held_until = asked_at + settings_.lease;
    runs.renew_at = asked_at + settings_.renew_after;
}

async::Task<bool> DynamoSessions::is_held(Runs runs, Deadline deadline) {
    if (runs->is_lost) co_return false;
    if (clock_.steady() < runs->held_until && now_ms() < runs->held_until_ms) co_return true;
    // It has run out. If nobody has taken the session over, it can be had again.
    const auto renewed = co_await renew(runs, deadline);
    co_return renewed && !runs->is_lost;
}

async::Task<base::Result<void>> DynamoSessions::renew(Runs runs, Deadline deadline) {
    const base::SteadyTime asked_at = clock_.steady();
    const std::int64_t until_ms = now_ms() + settings_.lease.count();
    DynamoUpdate update;
    update.set("until", dynamo_number(until_ms));
    std::string condition = held_by_me(update, runs->turn_id);
    auto done = co_await client_.update(settings_.tables.meta, header_key(runs->key), std::move(update).done(),
                                        std::move(condition), deadline, true);
    if (!done && condition_failed(done.error())) {
        runs->is_lost = true;
        if (runs->stop && find(runs->key, runs->turn_id) == runs) runs->stop(TurnState::interrupted);
        co_return Result<void>();
    }
    if (!done) co_return failed(done.error());
    set_held(*runs, asked_at, until_ms);
    const auto as = sessions::parse_turn_state(text_of(*done, "stop"));
    const bool is_running = find(runs->key, runs->turn_id) == runs;
    if (as && !std::exchange(runs->is_asked_to_stop, true) && runs->stop && is_running) runs->stop(*as);
    if (is_running) tell_watched(*runs, read_header_item(*done));
    co_return Result<void>();
}

async::Task<void> DynamoSessions::renew_in_turn(Runs runs) {
    co_await renew(runs, Deadline::after(std::max(least_renewal_time, settings_.lease - settings_.renew_after)));
    runs->is_renewing = false;
    renewer_->wake();
}

async::Task<void> DynamoSessions::renew_claims() {
    while (!stopped_) {
        const base::SteadyTime now = clock_.steady();
        for (const auto& [name, runs] : running_) {
            if (runs->is_lost || runs->is_renewing || now < runs->renew_at) continue;
            runs->is_renewing = true;
            tasks_.spawn(renew_in_turn(runs));
        }
        co_await renewer_->wait(running_.empty() ? Deadline::never() : Deadline::after(renewal_tick));
    }
}

void DynamoSessions::stop() {
    stopped_ = true;
    renewer_->wake();
}

}  // namespace tertulia::storage
