#include "tertulia/storage/memory_store.h"

#include <algorithm>
#include <iterator>

#include "tertulia/base/clock.h"
#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {

using base::Result;
using sessions::StoredMessage;

namespace {

// More keys than this push out those that would expire first.
constexpr std::size_t max_keys = 100'000;

constexpr auto place_of = [](const auto& entry) -> const std::string& { return entry.message.timestamp; };

// The first message at or after `place`.
auto lower_bound(auto& messages, const std::string& place) {
    return std::ranges::lower_bound(messages, place, {}, place_of);
}

// The answer that the turn wrote, where no other turn has rewritten it.
auto answer_of(const auto& messages, const std::string& turn_id) {
    const auto found = std::find_if(messages.rbegin(), messages.rend(), [&](const auto& entry) {
        return entry.message.turn_id == turn_id && entry.message.role == chat::Role::assistant;
    });
    return found == messages.rend() ? messages.end() : std::prev(found.base());
}

StoredMessage with_the_rest(const auto& entry) {
    StoredMessage message = entry.message;
    message.events = entry.events;
    message.outcome = entry.outcome;
    return message;
}

// Reads backwards from before `end`; says whether it reached the beginning.
template <class Iterator>
bool read_backwards(Iterator begin, Iterator end, ReadLimit limit, std::vector<StoredMessage>& out) {
    while (end != begin && limit.has_room()) {
        --end;
        limit.add(size_of(end->message));
        out.push_back(end->message);
    }
    return end == begin;
}

}  // namespace

MemoryStore::Session* MemoryStore::find(const sessions::SessionKey& key) {
    const auto owner = owners_.find(key.owner);
    if (owner == owners_.end()) return nullptr;
    const auto session = owner->second.find(key.session_id);
    return session == owner->second.end() ? nullptr : &session->second;
}

void MemoryStore::append(Session& session, StoredMessage message) {
    if (!keeps_blocks(message)) message.blocks.clear();
    ++session.header.message_count;
    session.header.last_timestamp = message.timestamp;
    session.header.last_activity = message.created_at;
    Entry entry{.events = std::exchange(message.events, {}), .outcome = std::exchange(message.outcome, std::nullopt)};
    entry.message = std::move(message);
    session.messages.push_back(std::move(entry));
}

void MemoryStore::write_answer(Session& session, StoredMessage answer) {
    if (session.running_place.empty()) {
        append(session, std::move(answer));
    } else {
        if (!keeps_blocks(answer)) answer.blocks.clear();
        answer.timestamp = std::exchange(session.running_place, {});
        session.header.last_activity = answer.created_at;
        Entry& entry = *lower_bound(session.messages, answer.timestamp);
        Replaced old{.content_size = entry.message.content.size(), .next_turn = answer.turn_id};
        old.entry = std::exchange(entry, {.events = std::exchange(answer.events, {}),
                                          .outcome = std::exchange(answer.outcome, std::nullopt)});
        entry.message = std::move(answer);
        old.entry.message.content = {};
        session.replaced.push_back(std::move(old));
    }
    session.running_turn.clear();
}

void MemoryStore::close(Session& session, std::string place, const std::string& created_at) {
    LostTurn lost{
        .turn_id = session.running_turn, .model = session.header.model, .first_number = session.running_number};
    if (!session.running_place.empty()) lost.before = lower_bound(session.messages, session.running_place)->message;
    write_answer(session, interrupted_answer(lost, std::move(place), created_at));
}

bool MemoryStore::may_rewrite(const Session& session, const std::string& place) {
    const StoredMessage& last = session.messages.back().message;
    if (last.timestamp != place) return false;
    // A turn that was rewriting it, and was lost, leaves it interrupted again.
    return session.running_turn.empty() ? can_be_rewritten(last) : session.running_place == place;
}

StoredMessage MemoryStore::question_before(const Session& session, std::vector<Entry>::const_iterator place) {
    while (place != session.messages.begin())
        if ((--place)->message.role == chat::Role::user) return place->message;
    return {};
}

void MemoryStore::forget(Keys::iterator key) {
    key_ends_.erase({key->second.expires_us, key->first});
    keys_.erase(key);
}

void MemoryStore::keep_key(const std::string& owner, const sessions::IdempotencyRecord& record) {
    KeyName name{owner, record.key};
    if (const auto old = keys_.find(name); old != keys_.end()) forget(old);
    if (keys_.size() >= max_keys) forget(keys_.find(key_ends_.begin()->second));
    key_ends_.emplace(record.expires_us, name);
    keys_.emplace(std::move(name), record);
}

async::Task<Result<std::optional<sessions::SessionSnapshot>>> MemoryStore::open(sessions::SessionKey key,
                                                                                std::int64_t max_messages,
                                                                                std::int64_t max_bytes) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(key);
    if (!session) co_return std::nullopt;
    sessions::SessionSnapshot snapshot;
    snapshot.header = session->header;
    const auto& messages = session->messages;
    snapshot.more =
        !read_backwards(messages.begin(), messages.end(), ReadLimit(max_messages, max_bytes), snapshot.newest);
    co_return snapshot;
}

async::Task<Result<std::vector<StoredMessage>>> MemoryStore::older(sessions::SessionKey key, std::string before,
                                                                   std::int64_t max_messages, std::int64_t max_bytes) {
    const std::lock_guard lock(mutex_);
    std::vector<StoredMessage> out;
    if (const Session* session = find(key)) {
        const auto& messages = session->messages;
        read_backwards(messages.begin(), lower_bound(messages, before), ReadLimit(max_messages, max_bytes), out);
    }
    co_return out;
}

async::Task<Result<std::int64_t>> MemoryStore::begin_turn(sessions::TurnStart start) {
    const std::lock_guard lock(mutex_);
    Session* session = find(start.key);
    const bool rewrites = !start.rewrites.empty();
    if (rewrites && (!session || !may_rewrite(*session, start.rewrites)))
        co_return std::unexpected(not_to_be_rewritten());
    if (session) {
        const std::string last = session->header.last_timestamp;
        if (!rewrites && start.message.timestamp <= last) co_return std::unexpected(not_later_than_last());
        if (!session->running_turn.empty()) {
            std::optional<std::string> place = session->running_place;
            if (place->empty()) place = place_between(last, start.message.timestamp);
            if (!place) co_return std::unexpected(not_later_than_last());
            close(*session, std::move(*place), start.message.created_at);
        }
    } else {
        session = &owners_[start.key.owner][start.key.session_id];
        session->header.session_id = start.key.session_id;
        session->header.first_words = first_words(start.message.content);
    }
    session->header.model = std::move(start.model);
    session->header.system = std::move(start.system);
    session->header.context_from = std::move(start.context_from);
    session->header.context_window = start.context_window;
    session->running_turn = start.message.turn_id;
    session->running_place = start.rewrites;
    session->running_number = start.first_number;
    if (start.idempotency) {
        session->keys.push_back(start.idempotency->key);
        keep_key(start.key.owner, *start.idempotency);
    }
    if (rewrites)
        session->header.last_activity = start.message.created_at;
    else
        append(*session, std::move(start.message));
    co_return session->header.message_count;
}

async::Task<Result<void>> MemoryStore::end_turn(sessions::TurnEnd end) {
    const std::lock_guard lock(mutex_);
    Session* session = find(end.key);
    const sessions::TurnName name{end.key, end.message.turn_id};
    if (!session || session->running_turn.empty() || session->running_turn != end.message.turn_id) {
        if (!ledger_.has(name)) ledger_.add(name, end.message.created_at, end.bills);
        co_return std::unexpected(turn_not_running());
    }
    if (session->running_place.empty() && end.message.timestamp <= session->header.last_timestamp)
        co_return std::unexpected(not_later_than_last());
    ledger_.add(name, end.message.created_at, end.bills);
    session->header.spent_nano += cost_of(end.bills);
    write_answer(*session, std::move(end.message));
    co_return Result<void>();
}

async::Task<Result<void>> MemoryStore::checkpoint(std::vector<sessions::TurnCheckpoint>) {
    co_return Result<void>();
}

async::Task<Result<std::int64_t>> MemoryStore::close_interrupted(std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    std::int64_t closed = 0;
    for (auto& [owner, sessions] : owners_) {
        for (auto& [id, session] : sessions) {
            if (session.running_turn.empty()) continue;
            close(session, base::next_timestamp(session.header.last_timestamp, now_us), base::format_timestamp(now_us));
            ++closed;
        }
    }
    co_return closed;
}

async::Task<Result<void>> MemoryStore::close_turn(sessions::TurnName turn, std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    Session* session = find(turn.key);
    if (session && !session->running_turn.empty() && session->running_turn == turn.turn_id)
        close(*session, base::next_timestamp(session->header.last_timestamp, now_us), base::format_timestamp(now_us));
    co_return Result<void>();
}

async::Task<Result<std::optional<sessions::StoredTurn>>> MemoryStore::turn(sessions::TurnName name) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(name.key);
    if (!session || name.turn_id.empty()) co_return std::nullopt;
    const auto of_turn = [&](const Replaced& old) { return old.entry.message.turn_id == name.turn_id; };
    sessions::StoredTurn turn;
    auto place = answer_of(session->messages, name.turn_id);
    if (place != session->messages.end()) {
        turn.answer = with_the_rest(*place);
    } else if (const auto old = std::ranges::find_if(session->replaced, of_turn); old != session->replaced.end()) {
        place = lower_bound(session->messages, old->entry.message.timestamp);
        turn.answer = with_the_rest(old->entry);
        turn.answer->content = place->message.content.substr(0, old->content_size);
    } else if (session->running_turn != name.turn_id) {
        co_return std::nullopt;
    } else if (!session->running_place.empty()) {
        place = lower_bound(session->messages, session->running_place);
    }
    turn.question = question_before(*session, place);
    co_return turn;
}

async::Task<Result<std::string>> MemoryStore::next_turn(sessions::TurnName after) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(after.key);
    if (!session || after.turn_id.empty()) co_return std::string();
    for (const Replaced& old : session->replaced)
        if (old.entry.message.turn_id == after.turn_id) co_return old.next_turn;
    auto place = answer_of(session->messages, after.turn_id);
    if (place == session->messages.end()) co_return std::string();
    if (session->running_place == place->message.timestamp) co_return session->running_turn;
    while (++place != session->messages.end())
        if (place->message.role == chat::Role::user) co_return place->message.turn_id;
    co_return std::string();
}

async::Task<Result<std::optional<sessions::IdempotencyRecord>>> MemoryStore::idempotency(std::string owner,
                                                                                         std::string key,
                                                                                         std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    const auto found = keys_.find({std::move(owner), std::move(key)});
    if (found == keys_.end()) co_return std::nullopt;
    if (found->second.expires_us > now_us) co_return found->second;
    forget(found);
    co_return std::nullopt;
}

async::Task<Result<std::optional<sessions::MessagePage>>> MemoryStore::messages(sessions::SessionKey key,
                                                                                sessions::MessageQuery query) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(key);
    if (!session) co_return std::nullopt;
    const auto& all = session->messages;
    auto from = query.after.empty() ? all.begin() : std::ranges::upper_bound(all, query.after, {}, place_of);
    auto to = query.before.empty() ? all.end() : lower_bound(all, query.before);
    if (to < from) to = from;
    sessions::MessagePage page;
    ReadLimit limit(query.limit, query.max_bytes);
    const auto take = [&](const StoredMessage& message) {
        page.messages.push_back(message);
        limit.add(size_of(message));
    };
    if (query.after.empty() && !query.before.empty()) {
        while (from != to && limit.has_room()) take((--to)->message);
        std::ranges::reverse(page.messages);
    } else {
        while (from != to && limit.has_room()) take((from++)->message);
        page.more = from != to;
    }
    co_return page;
}

async::Task<Result<sessions::SessionPage>> MemoryStore::sessions(std::string owner, std::int64_t limit,
                                                                 std::string after) {
    std::optional<SessionCursor> cursor;
    if (!after.empty()) {
        auto parsed = parse_cursor(after);
        if (!parsed) co_return std::unexpected(parsed.error());
        cursor = std::move(*parsed);
    }
    const std::lock_guard lock(mutex_);
    sessions::SessionPage page;
    const auto found = owners_.find(owner);
    if (found == owners_.end()) co_return page;
    for (const auto& [id, session] : found->second) {
        const sessions::SessionHeader& header = session.header;
        if (!cursor ||
            std::tie(header.last_activity, header.session_id) < std::tie(cursor->last_activity, cursor->session_id))
            page.sessions.push_back(header);
    }
    std::ranges::sort(page.sessions, [](const auto& a, const auto& b) {
        return std::tie(a.last_activity, a.session_id) > std::tie(b.last_activity, b.session_id);
    });
    if (std::ssize(page.sessions) > limit) {
        page.sessions.resize(static_cast<std::size_t>(limit));
        page.next = format_cursor({page.sessions.back().last_activity, page.sessions.back().session_id});
    }
    co_return page;
}

async::Task<Result<bool>> MemoryStore::remove(sessions::SessionKey key) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(key);
    if (!session) co_return false;
    for (const std::string& name : session->keys)
        if (const auto found = keys_.find({key.owner, name});
            found != keys_.end() && found->second.session_id == key.session_id)
            forget(found);
    owners_[key.owner].erase(key.session_id);
    co_return true;
}

async::Task<Result<sessions::UsageReport>> MemoryStore::usage(sessions::UsageQuery query) {
    const std::lock_guard lock(mutex_);
    co_return ledger_.usage(query);
}

}  // namespace tertulia::storage
