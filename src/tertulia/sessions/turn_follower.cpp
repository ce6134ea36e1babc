#include "tertulia/sessions/turn_follower.h"

#include "tertulia/async/waiter.h"
#include "tertulia/sessions/look_pause.h"
#include "tertulia/sessions/turn_checkpoint.h"

namespace tertulia::sessions {
namespace {

constexpr int most_failures = 10;

TurnResult result_of(const TurnName& name, TurnState state) {
    TurnResult result{.state = state, .session_id = name.key.session_id, .turn_id = name.turn_id};
    if (state != TurnState::running) result.error = error_of(state);
    return result;
}

// Follows one turn, look by look.
class Follower {
  public:
    Follower(const FollowerParts& parts, TurnLog& log) : parts_(parts), log_(log) {}

    // True: the turn has ended.
    async::Task<base::Result<bool>> look() {
        co_await parts_.store.watch(log_.name().key);
        if (is_understood_) {
            const auto news = co_await parts_.store.news(log_.name(), place_);
            if (!news) co_return std::unexpected(news.error());
            place_ = news->next;
            if (!news->pieces.empty()) is_understood_ = take(*news);
            if (!news->may_be_over) co_return false;
        }
        const auto stored = co_await parts_.store.turn(log_.name());
        if (!stored) co_return std::unexpected(stored.error());
        if (!*stored)  // its session was deleted, and the turn ended for that
            log_.finish(result_of(log_.name(), TurnState::cancelled), false);
        else if ((*stored)->answer)
            log_.fill(*(*stored)->answer);
        co_return !*stored || (*stored)->answer.has_value();
    }

  private:
    // False: nothing can be made of it; the end tells all.
    bool take(const TurnNews& news) {
        TurnRemains kept;
        for (const std::string& piece : news.pieces)
            if (!kept.add(piece)) return false;
        return log_.grow(kept, news.is_whole);
    }

    const FollowerParts& parts_;
    TurnLog& log_;
    NewsPlace place_;
    bool is_understood_ = true;
};

}  // namespace

async::Task<void> follow_turn(FollowerParts parts, std::shared_ptr<TurnLog> log) {
    const auto waiter = async::Waiter::make(parts.executor);
    LookPause pause(parts.look_again);
    Follower follower(parts, *log);
    int failures = 0;
    while (failures < most_failures && !parts.registry.is_closed()) {
        // Whoever only asks how it stands has gone by then, and costs nothing more.
        co_await waiter->wait(base::Deadline::after(pause.next()));
        if (parts.logs.forget_unread(log)) co_return;
        const auto over = co_await follower.look();
        if (over && *over) co_return;
        failures = over ? 0 : failures + 1;
        if (!over)
            parts.log.warn("a turn of another process could not be looked at",
                           {{"turn", log->name().turn_id}, {"reason", over.error().message}});
    }
    log->leave(result_of(log->name(), TurnState::running));
}

}  // namespace tertulia::sessions
