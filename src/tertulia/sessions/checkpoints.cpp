#include "tertulia/sessions/checkpoints.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tertulia::sessions {

async::Task<void> Checkpoints::run(async::Executor executor) {
    {
        const std::lock_guard lock(mutex_);
        loop_ = async::Waiter::make(executor);
    }
    while (true) {
        base::Deadline due;
        {
            const std::lock_guard lock(mutex_);
            if (stopped_) {
                loop_.reset();  // it belongs to this worker, which may end before this does
                co_return;
            }
            due = changed_due().earlier(watched_due());
        }
        if (!due.passed(parts_.clock.steady())) {
            co_await loop_->wait(due);
            continue;
        }
        co_await save(take_due());
    }
}

void Checkpoints::stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    if (loop_) loop_->wake();
}

void Checkpoints::changed(const std::shared_ptr<TurnLog>& log) {
    if (settings_.interval.count() == 0) return;
    const bool urgent = log->unsaved_bytes() >= settings_.bytes;
    const std::lock_guard lock(mutex_);
    if (log->checkpoint_state.has_left) return;
    list(log, urgent);
}

void Checkpoints::started(const std::shared_ptr<TurnLog>& log) {
    if (settings_.interval.count() == 0) return;
    const std::lock_guard lock(mutex_);
    if (is_watched(*log)) list(log);
}

void Checkpoints::watched(const std::shared_ptr<TurnLog>& log, base::Milliseconds time) {
    if (settings_.interval.count() == 0) return;
    const bool has_news = log->has_started() && log->has_unsaved();
    const std::lock_guard lock(mutex_);
    TurnLog::CheckpointState& state = log->checkpoint_state;
    if (state.has_left) return;
    const bool was_watched = is_watched(*log);
    state.watched_until = std::max(state.watched_until, parts_.clock.steady() + time);
    if (was_watched || !has_news) return;
    if (state.is_listed && std::erase(changed_.logs, log) == 0) return;
    state.is_listed = false;
    list(log);
}

void Checkpoints::list(const std::shared_ptr<TurnLog>& log, bool is_urgent) {
    Line& line = is_watched(*log) ? watched_ : changed_;
    const bool was_idle = line.logs.empty();
    if (!std::exchange(log->checkpoint_state.is_listed, true)) {
        if (was_idle) line.since = parts_.clock.steady();
        line.logs.push_back(log);
    }
    const bool becomes_urgent = is_urgent && !std::exchange(line.is_urgent, true);
    if ((was_idle || becomes_urgent) && loop_) loop_->wake();
}

// A write for those that are watched costs the others nothing; one for the others is theirs too.
std::vector<std::shared_ptr<TurnLog>> Checkpoints::take_due() {
    const std::lock_guard lock(mutex_);
    const bool all = changed_due().passed(parts_.clock.steady());
    auto logs = std::exchange(watched_, {}).logs;
    if (all) std::ranges::move(std::exchange(changed_, {}).logs, std::back_inserter(logs));
    std::erase_if(logs, [](const auto& log) { return log->checkpoint_state.has_left; });
    for (const auto& log : logs) {
        log->checkpoint_state.is_listed = false;
        log->checkpoint_state.is_in_flight = true;
    }
    return logs;
}

async::Task<void> Checkpoints::save(std::vector<std::shared_ptr<TurnLog>> logs) {
    if (logs.empty()) co_return;
    std::vector<TurnCheckpoint> pieces;
    std::vector<std::uint32_t> reserved(logs.size());
    pieces.reserve(logs.size());
    for (std::size_t i = 0; i < logs.size(); ++i) {
        const bool whole = std::exchange(logs[i]->checkpoint_state.save_whole, false);
        pieces.push_back(logs[i]->take_checkpoint(numbers_ahead, whole, reserved[i]));
    }
    const base::SteadyTime begin = parts_.clock.steady();
    base::Result<void> kept;
    try {
        kept = co_await parts_.store.checkpoint(std::move(pieces));
    } catch (const std::exception& exception) {
        parts_.log.error("bug in the store", {{"what", exception.what()}});
        kept = base::fail(base::Errc::internal, exception.what());
    }
    parts_.metrics.store("checkpoint", std::chrono::duration<double>(parts_.clock.steady() - begin).count(),
                         !kept.has_value());
    if (!kept)
        parts_.log.warn("running turns were not saved", {{"turns", logs.size()}, {"reason", kept.error().message}});
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < logs.size(); ++i) {
        logs[i]->checkpoint_state.is_in_flight = false;
        if (kept)
            logs[i]->set_reserved(reserved[i]);
        else
            save_again(logs[i]);
    }
    for (const auto& waiter : std::exchange(leaving_, {})) waiter->wake();
}

// All of it, an interval later, even if its model says nothing more till then. Under the lock.
void Checkpoints::save_again(const std::shared_ptr<TurnLog>& log) {
    log->checkpoint_state.save_whole = true;
    if (!log->checkpoint_state.has_left) list(log);
}

async::Task<void> Checkpoints::leave(std::shared_ptr<TurnLog> log, async::Executor executor) {
    std::shared_ptr<async::Waiter> waiter;
    while (true) {
        {
            const std::lock_guard lock(mutex_);
            log->checkpoint_state.has_left = true;
            if (!log->checkpoint_state.is_in_flight) co_return;
            if (!waiter) waiter = async::Waiter::make(executor);
            leaving_.push_back(waiter);
        }
        co_await waiter->wait(base::Deadline::never());
    }
}

async::Task<base::Result<void>> Checkpoints::reserve(std::shared_ptr<TurnLog> log) {
    const std::uint32_t up_to = log->last_number() + numbers_ahead;
    std::vector<TurnCheckpoint> pieces{log->reservation(up_to)};
    auto kept = co_await parts_.store.checkpoint(std::move(pieces));
    if (kept) log->set_reserved(up_to);
    co_return kept;
}

}  // namespace tertulia::sessions
