#include "tertulia/sessions/session_feed.h"

#include <utility>

#include "tertulia/sessions/session_service.h"

namespace tertulia::sessions {

SessionFeed::SessionFeed(SessionService& service, TurnLogs& logs, SessionStore& store, async::Executor executor,
                         SessionKey key)
    : service_(service),
      logs_(logs),
      store_(store),
      executor_(executor),
      key_(std::move(key)),
      waiter_(async::Waiter::make(executor)) {
    logs_.add_waiter(key_, waiter_);
}

SessionFeed::SessionFeed(SessionFeed&& other) noexcept
    : service_(other.service_),
      logs_(other.logs_),
      store_(other.store_),
      executor_(other.executor_),
      key_(other.key_),
      waiter_(std::exchange(other.waiter_, nullptr)),
      stopped_(other.stopped_),
      is_read_(other.is_read_),
      last_(std::move(other.last_)) {
    if (other.reader_) reader_.emplace(*std::move(other.reader_));
}

SessionFeed::~SessionFeed() {
    if (waiter_) logs_.remove_waiter(key_, waiter_.get());
}

void SessionFeed::from_now() {
    const auto newest = logs_.newest(key_);
    if (!newest) return;
    last_ = newest->name().turn_id;
    if (newest->result()) return;
    reader_.emplace(newest, executor_);
    is_read_ = false;
}

async::Task<base::Result<void>> SessionFeed::from(std::string turn_id, std::uint32_t number) {
    auto reader = co_await service_.read({.key = key_, .turn_id = turn_id}, number);
    if (!reader) co_return std::unexpected(reader.error());
    reader_.emplace(*std::move(reader));
    is_read_ = false;
    last_ = std::move(turn_id);
    co_return base::Result<void>{};
}

async::Task<base::Result<bool>> SessionFeed::next(EventBatch& batch, base::Deadline deadline) {
    batch.events.clear();
    while (!stopped_) {
        if (is_read_) {
            reader_.reset();  // whoever waits holds no log that has ended
            const auto found = co_await find_turn(deadline);
            if (!found || !*found) co_return found;
            continue;
        }
        if (!co_await reader_->next(batch, deadline)) co_return false;
        is_read_ = batch.events.empty() || batch.has_end();
        if (!batch.events.empty()) co_return true;
    }
    co_return true;
}

void SessionFeed::stop() {
    stopped_ = true;
    if (reader_) reader_->stop();
    waiter_->wake();
}

async::Task<base::Result<bool>> SessionFeed::find_turn(base::Deadline deadline) {
    while (true) {
        std::optional<TurnReader> found;
        const auto next = logs_.next(key_, last_);
        if (next && *next) {
            found.emplace(*next, executor_);
        } else if (!next) {
            // The last turn has left the memory: the store knows what came after it.
            const auto id = co_await store_.next_turn({.key = key_, .turn_id = last_});
            if (!id) co_return std::unexpected(id.error());
            if (!id->empty()) {
                auto reader = co_await service_.read({.key = key_, .turn_id = *id});
                if (!reader) co_return std::unexpected(reader.error());
                found.emplace(*std::move(reader));
            } else if (const auto newest = logs_.newest(key_); newest && !newest->result()) {
                found.emplace(newest, executor_);
            } else {
                // Nobody knows the last turn: it never started, or its session was deleted. What starts from now on
                // counts.
                last_ = newest ? newest->name().turn_id : std::string();
            }
        }
        if (found) {
            reader_.emplace(*std::move(found));
            last_ = reader_->name().turn_id;
            is_read_ = false;
            co_return true;
        }
        if (stopped_) co_return true;
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
}

}  // namespace tertulia::sessions
