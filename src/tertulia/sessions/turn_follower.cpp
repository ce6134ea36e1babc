#include "tertulia/sessions/turn_follower.h"

#include "tertulia/async/waiter.h"
#include "tertulia/sessions/look_pause.h"

namespace tertulia::sessions {
namespace {

constexpr int most_failures = 10;

TurnResult result_of(const TurnName& name, TurnState state) {
    TurnResult result{.state = state, .session_id = name.key.session_id, .turn_id = name.turn_id};
    if (state != TurnState::running) result.error = error_of(state);
    return result;
}

}  // namespace

async::Task<void> follow_turn(FollowerParts parts, std::shared_ptr<TurnLog> log) {
    const auto waiter = async::Waiter::make(parts.executor);
    LookPause pause(parts.look_again);
    int failures = 0;
    while (failures < most_failures && !parts.registry.is_closed()) {
        co_await waiter->wait(base::Deadline::after(pause.next()));
        if (parts.logs.forget_unread(log)) co_return;
        const auto stored = co_await parts.store.turn(log->name());
        if (!stored) {
            ++failures;
            parts.log.warn("a turn of another process could not be looked at",
                           {{"turn", log->name().turn_id}, {"reason", stored.error().message}});
            continue;
        }
        failures = 0;
        if (!*stored) {  // its session was deleted, and the turn ended for that
            log->finish(result_of(log->name(), TurnState::cancelled), false);
            co_return;
        }
        if ((*stored)->answer) {
            log->fill(*(*stored)->answer);
            co_return;
        }
    }
    log->leave(result_of(log->name(), TurnState::running));
}

}  // namespace tertulia::sessions
