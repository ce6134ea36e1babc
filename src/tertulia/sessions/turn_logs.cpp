#include "tertulia/sessions/turn_logs.h"

#include <algorithm>

namespace tertulia::sessions {

TurnLogs::TurnLogs(Settings settings, const base::Clock& clock)
    : settings_(settings), clock_(clock), memory_(std::make_shared<std::atomic<std::int64_t>>(0)) {}

std::size_t TurnLogs::HashKey::operator()(const SessionKey& key) const {
    const std::hash<std::string> hash;
    return hash(key.session_id) + 31 * hash(key.owner);
}

base::Result<std::shared_ptr<TurnLog>> TurnLogs::make(std::shared_ptr<const TurnName> name) {
    sweep();
    auto log = std::make_shared<TurnLog>(name, memory_);
    const std::lock_guard lock(mutex_);
    if (auto room = make_room(); !room) return std::unexpected(room.error());
    lines_[name->key].made.push_back(log);
    return log;
}

base::Result<std::shared_ptr<TurnLog>> TurnLogs::restore(const TurnName& name, const StoredMessage& answer) {
    {
        // Without its own size: one that is larger than all there may be could never be read again.
        const std::lock_guard lock(mutex_);
        if (auto room = make_room(); !room) return std::unexpected(room.error());
    }
    auto log = TurnLog::restore(name, answer, memory_);
    const std::lock_guard lock(mutex_);
    std::weak_ptr<TurnLog>& known = restored_place(name.turn_id);
    // Another reader was quicker.
    if (auto same = known.lock(); same && same->name().key == name.key && same->result()) return same;
    known = log;
    return log;
}

std::weak_ptr<TurnLog>& TurnLogs::restored_place(const std::string& turn_id) {
    if (restored_.size() >= clean_at_) {
        std::erase_if(restored_, [](const auto& entry) { return entry.second.expired(); });
        clean_at_ = std::max<std::size_t>(64, 2 * restored_.size());
    }
    return restored_[turn_id];
}

base::Result<TurnLogs::Followed> TurnLogs::follow(const TurnName& name) {
    const std::lock_guard lock(mutex_);
    std::weak_ptr<TurnLog>& known = restored_place(name.turn_id);
    if (auto same = known.lock(); same && same->name().key == name.key && !same->result())
        return Followed{.log = std::move(same), .is_new = false};
    if (auto room = make_room(); !room) return std::unexpected(room.error());
    auto log = std::make_shared<TurnLog>(std::make_shared<const TurnName>(name), memory_);
    log->follow();
    known = log;
    return Followed{.log = std::move(log), .is_new = true};
}

bool TurnLogs::forget_unread(const std::shared_ptr<TurnLog>& log) {
    const std::lock_guard lock(mutex_);
    if (log.use_count() > 1) return false;
    if (const auto found = restored_.find(log->name().turn_id); found != restored_.end() && found->second.lock() == log)
        restored_.erase(found);
    return true;
}

base::Result<void> TurnLogs::make_room() {
    while (bytes() >= settings_.max_bytes && !ended_.empty()) drop_oldest();
    if (bytes() < settings_.max_bytes) return {};
    return std::unexpected(too_much_at_once());
}

bool TurnLogs::may_grow(const TurnLog& log) const {
    const std::int64_t most = 2 * settings_.max_bytes;
    return bytes() <= most || bytes() - log.memory() <= most;
}

std::shared_ptr<TurnLog> TurnLogs::find(const TurnName& name) const {
    const std::lock_guard lock(mutex_);
    if (const auto line = lines_.find(name.key); line != lines_.end()) {
        const auto is_it = [&name](const auto& log) { return log->name().turn_id == name.turn_id; };
        for (const auto* const logs : {&line->second.started, &line->second.made})
            if (const auto found = std::ranges::find_if(*logs, is_it); found != logs->end())
                return (*found)->was_left() ? nullptr : *found;
    }
    const auto restored = restored_.find(name.turn_id);
    auto log = restored == restored_.end() ? nullptr : restored->second.lock();
    return log && !log->was_left() && log->name().key == name.key ? log : nullptr;
}

void TurnLogs::started(const std::shared_ptr<TurnLog>& log) {
    const std::lock_guard lock(mutex_);
    Line& line = lines_[log->name().key];
    std::erase(line.made, log);
    line.started.push_back(log);
    for (const auto& waiter : line.waiters) waiter->wake();
}

void TurnLogs::ended(const std::shared_ptr<TurnLog>& log) {
    const std::int64_t bytes = log->memory();
    const std::lock_guard lock(mutex_);
    ended_.push_back({clock_.steady(), log, bytes});
    ended_bytes_ += bytes;
    while (ended_bytes_ > settings_.max_bytes / 4 && !ended_.empty()) drop_oldest();
}

void TurnLogs::left(const std::shared_ptr<TurnLog>& log) {
    const std::lock_guard lock(mutex_);
    remove_from_line(log);
}

void TurnLogs::forget(const SessionKey& key) {
    const std::lock_guard lock(mutex_);
    for (Ended& ended : ended_) {
        if (ended.log->name().key != key) continue;
        ended_bytes_ -= ended.bytes;
        ended.log = nullptr;
    }
    std::erase_if(ended_, [](const Ended& ended) { return !ended.log; });
    std::erase_if(restored_, [&key](const auto& entry) {
        const auto log = entry.second.lock();
        return !log || log->name().key == key;
    });
    if (const auto line = lines_.find(key); line != lines_.end()) {
        for (auto* const logs : {&line->second.started, &line->second.made})
            std::erase_if(*logs, [](const auto& log) { return log->result() != nullptr; });
        drop_line_if_empty(line);
    }
}

void TurnLogs::sweep() {
    const base::SteadyTime now = clock_.steady();
    const std::lock_guard lock(mutex_);
    while (!ended_.empty() && ended_.front().at + settings_.keep <= now) drop_oldest();
}

void TurnLogs::drop_oldest() {
    const std::shared_ptr<TurnLog> log = std::move(ended_.front().log);
    ended_bytes_ -= ended_.front().bytes;
    ended_.pop_front();
    remove_from_line(log);
}

// Of a session's logs the oldest end first, so that it is found at the front of its line.
void TurnLogs::remove_from_line(const std::shared_ptr<TurnLog>& log) {
    const auto line = lines_.find(log->name().key);
    if (line == lines_.end()) return;
    for (auto* const logs : {&line->second.started, &line->second.made})
        if (const auto found = std::ranges::find(*logs, log); found != logs->end()) {
            logs->erase(found);
            break;
        }
    drop_line_if_empty(line);
}

void TurnLogs::drop_line_if_empty(Lines::iterator line) {
    const Line& logs = line->second;
    if (logs.made.empty() && logs.started.empty() && logs.waiters.empty()) lines_.erase(line);
}

std::shared_ptr<TurnLog> TurnLogs::newest(const SessionKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(key);
    return line == lines_.end() || line->second.started.empty() ? nullptr : line->second.started.back();
}

std::optional<std::shared_ptr<TurnLog>> TurnLogs::next(const SessionKey& key, const std::string& turn_id) const {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(key);
    if (line == lines_.end()) return turn_id.empty() ? std::optional(std::shared_ptr<TurnLog>()) : std::nullopt;
    const auto& started = line->second.started;
    auto at = started.begin();
    if (!turn_id.empty()) {
        at = std::ranges::find(started, turn_id,
                               [](const auto& log) -> const std::string& { return log->name().turn_id; });
        if (at == started.end()) return std::nullopt;
        ++at;
    }
    return at == started.end() ? nullptr : *at;
}

void TurnLogs::add_waiter(const SessionKey& key, std::shared_ptr<async::Waiter> waiter) {
    const std::lock_guard lock(mutex_);
    lines_[key].waiters.push_back(std::move(waiter));
}

void TurnLogs::remove_waiter(const SessionKey& key, const async::Waiter* waiter) {
    const std::lock_guard lock(mutex_);
    const auto line = lines_.find(key);
    if (line == lines_.end()) return;
    std::erase_if(line->second.waiters, [&](const auto& waiting) { return waiting.get() == waiter; });
    drop_line_if_empty(line);
}

}  // namespace tertulia::sessions
