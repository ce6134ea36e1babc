#include "tertulia/storage/memory_store.h"

#include <algorithm>
#include <iterator>

#include "tertulia/base/clock.h"
#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {

using base::Result;
using sessions::StoredMessage;

namespace {

// The first message at or after `place`.
auto lower_bound(const std::vector<StoredMessage>& messages, const std::string& place) {
    return std::ranges::lower_bound(messages, place, {}, &StoredMessage::timestamp);
}

// Reads backwards from before `end`; says whether it reached the beginning.
template <class Iterator>
bool read_backwards(Iterator begin, Iterator end, ReadLimit limit, std::vector<StoredMessage>& out) {
    while (end != begin && limit.has_room()) {
        --end;
        limit.add(end->content.size());
        out.push_back(*end);
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
    session.messages.push_back(std::move(message));
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

async::Task<Result<void>> MemoryStore::begin_turn(sessions::TurnStart start) {
    const std::lock_guard lock(mutex_);
    Session* session = find(start.key);
    if (session) {
        const std::string last = session->header.last_timestamp;
        if (start.message.timestamp <= last) co_return std::unexpected(not_later_than_last());
        if (!session->running_turn.empty()) {
            auto place = place_between(last, start.message.timestamp);
            if (!place) co_return std::unexpected(not_later_than_last());
            append(*session, interrupted_answer(session->running_turn, session->header.model, std::move(*place),
                                                start.message.created_at));
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
    append(*session, std::move(start.message));
    co_return Result<void>();
}

async::Task<Result<void>> MemoryStore::end_turn(sessions::TurnEnd end) {
    const std::lock_guard lock(mutex_);
    Session* session = find(end.key);
    if (!session || session->running_turn.empty() || session->running_turn != end.message.turn_id)
        co_return std::unexpected(turn_not_running());
    if (end.message.timestamp <= session->header.last_timestamp) co_return std::unexpected(not_later_than_last());
    append(*session, std::move(end.message));
    session->running_turn.clear();
    co_return Result<void>();
}

async::Task<Result<std::int64_t>> MemoryStore::close_interrupted(std::int64_t now_us) {
    const std::lock_guard lock(mutex_);
    std::int64_t closed = 0;
    for (auto& [owner, sessions] : owners_) {
        for (auto& [id, session] : sessions) {
            if (session.running_turn.empty()) continue;
            append(session, interrupted_answer(std::exchange(session.running_turn, {}), session.header.model,
                                               base::next_timestamp(session.header.last_timestamp, now_us),
                                               base::format_timestamp(now_us)));
            ++closed;
        }
    }
    co_return closed;
}

async::Task<Result<std::optional<sessions::MessagePage>>> MemoryStore::messages(sessions::SessionKey key,
                                                                                sessions::MessageQuery query) {
    const std::lock_guard lock(mutex_);
    const Session* session = find(key);
    if (!session) co_return std::nullopt;
    const auto& all = session->messages;
    auto from =
        query.after.empty() ? all.begin() : std::ranges::upper_bound(all, query.after, {}, &StoredMessage::timestamp);
    auto to = query.before.empty() ? all.end() : lower_bound(all, query.before);
    if (to < from) to = from;
    sessions::MessagePage page;
    if (std::distance(from, to) > query.limit) {
        if (query.after.empty() && !query.before.empty()) {
            from = to - query.limit;
        } else {
            to = from + query.limit;
            page.more = true;
        }
    }
    page.messages.assign(from, to);
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
    const auto owner = owners_.find(key.owner);
    co_return owner != owners_.end() && owner->second.erase(key.session_id) > 0;
}

}  // namespace tertulia::storage
