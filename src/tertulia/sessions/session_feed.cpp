#include "tertulia/sessions/session_feed.h"

#include <utility>

#include "tertulia/sessions/session_service.h"

namespace tertulia::sessions {
namespace {

constexpr int looks_until_doubt = 10;
// Before all places.
constexpr const char* the_beginning = "0";

}  // namespace

SessionFeed::SessionFeed(SessionService& service, TurnLogs& logs, SessionStore& store, async::Executor executor,
                         SessionKey key, base::Milliseconds look_again)
    : service_(service),
      logs_(logs),
      store_(store),
      executor_(executor),
      key_(std::move(key)),
      waiter_(async::Waiter::make(executor)),
      after_(the_beginning),
      look_again_(look_again) {
    logs_.add_waiter(key_, waiter_);
}

SessionFeed::SessionFeed(SessionFeed&& other) noexcept
    : service_(other.service_),
      logs_(other.logs_),
      store_(other.store_),
      executor_(std::move(other.executor_)),
      key_(std::move(other.key_)),
      waiter_(std::exchange(other.waiter_, nullptr)),
      stopped_(other.stopped_),
      ends_with_turn_(other.ends_with_turn_),
      is_read_(other.is_read_),
      last_(std::move(other.last_)),
      after_(std::move(other.after_)),
      look_again_(other.look_again_),
      looks_(other.looks_) {
    if (other.reader_) reader_.emplace(*std::move(other.reader_));
}

SessionFeed::~SessionFeed() {
    if (waiter_) logs_.remove_waiter(key_, waiter_.get());
}

async::Task<base::Result<void>> SessionFeed::from_now() {
    if (store_.is_shared()) co_return co_await anchor();
    const auto newest = logs_.newest(key_);
    if (!newest) co_return base::Result<void>{};
    last_ = newest->name().turn_id;
    if (newest->result()) co_return base::Result<void>{};
    reader_.emplace(newest, executor_);
    is_read_ = false;
    co_return base::Result<void>{};
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
        if (batch.events.empty() && reader_->log().was_left() && !stopped_) {
            // It goes on in another process.
            co_await waiter_->wait(deadline.earlier(base::Deadline::after(look_again_)));
            const auto again = co_await from(reader_->name().turn_id, reader_->place());
            if (!again) co_return std::unexpected(again.error());
            continue;
        }
        is_read_ = batch.events.empty() || batch.has_end();
        stopped_ = stopped_ || (is_read_ && ends_with_turn_);
        if (!batch.events.empty()) co_return true;
    }
    co_return true;
}

void SessionFeed::stop() {
    stopped_ = true;
    if (reader_) reader_->stop();
    waiter_->wake();
}

void SessionFeed::stop_after_turn() {
    if (!reader_ || is_read_) return stop();
    ends_with_turn_ = true;
}

async::Task<base::Result<bool>> SessionFeed::find_turn(base::Deadline deadline) {
    const bool is_shared = store_.is_shared();
    while (true) {
        // The next turn is heard of as it comes, if somebody waits for it already when it begins.
        if (is_shared) co_await store_.watch(key_);
        auto found = is_shared ? co_await look_in_store() : co_await look_here();
        if (!found) co_return std::unexpected(found.error());
        if (*found) {
            reader_.emplace(*std::move(*found));
            last_ = reader_->name().turn_id;
            is_read_ = false;
            co_return true;
        }
        if (stopped_) co_return true;
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(is_shared ? deadline.earlier(base::Deadline::after(look_again_)) : deadline);
    }
}

async::Task<SessionFeed::Found> SessionFeed::read(std::string turn_id) {
    auto reader = co_await service_.read({.key = key_, .turn_id = std::move(turn_id)});
    if (!reader) co_return std::unexpected(reader.error());
    co_return *std::move(reader);
}

async::Task<SessionFeed::Found> SessionFeed::look_here() {
    const auto next = logs_.next(key_, last_);
    if (next && *next) co_return TurnReader(*next, executor_);
    if (next) co_return std::nullopt;
    // The last turn has left the memory: the store knows what came after it.
    auto id = co_await store_.next_turn({.key = key_, .turn_id = last_});
    if (!id) co_return std::unexpected(id.error());
    if (!id->empty()) co_return co_await read(*std::move(id));
    const auto newest = logs_.newest(key_);
    if (newest && !newest->result()) co_return TurnReader(newest, executor_);
    // Nobody knows the last turn: it never started, or its session was deleted. What starts from now on counts.
    last_ = newest ? newest->name().turn_id : std::string();
    co_return std::nullopt;
}

async::Task<SessionFeed::Found> SessionFeed::look_in_store() {
    std::string id;
    if (last_.empty()) {
        // There was no message yet when the feed began, or only another program's.
        auto page = co_await store_.messages(key_, {.limit = 1, .after = after_, .before = {}, .max_bytes = 1});
        if (!page) co_return std::unexpected(page.error());
        if (*page && !(*page)->messages.empty()) id = (*page)->messages.front().turn_id;
    } else {
        auto next = co_await store_.next_turn({.key = key_, .turn_id = last_});
        if (!next) co_return std::unexpected(next.error());
        id = *std::move(next);
    }
    if (!id.empty()) co_return co_await read(std::move(id));
    if (!last_.empty() && ++looks_ % looks_until_doubt == 0) {
        // Where the last turn is no longer known, its session was deleted: whatever is there since then is new.
        const auto stored = co_await store_.turn({.key = key_, .turn_id = last_});
        if (!stored) co_return std::unexpected(stored.error());
        if (!*stored) {
            last_.clear();
            after_ = the_beginning;
        }
    }
    co_return std::nullopt;
}

// It begins with the turn that runs, or after the newest one. A turn that has begun since that was read, or that goes
// on with the newest answer, is what comes next.
async::Task<base::Result<void>> SessionFeed::anchor() {
    const auto opened = co_await store_.open(key_, 1, 1);
    if (!opened) co_return std::unexpected(opened.error());
    if (!*opened || (*opened)->newest.empty()) co_return base::Result<void>{};
    const StoredMessage& newest = (*opened)->newest.front();
    if (newest.role == chat::Role::user && !newest.turn_id.empty()) co_return co_await from(newest.turn_id, 0);
    last_ = newest.turn_id;
    after_ = newest.timestamp;
    co_return base::Result<void>{};
}

}  // namespace tertulia::sessions
