#include "tertulia/storage/dynamodb_cache.h"

#include "tertulia/storage/session_rules.h"

namespace tertulia::storage {
namespace {

// Of one session: more than a turn's first look at it.
constexpr std::size_t most_messages = 64, most_session_bytes = 96 << 10;
// About what a message takes besides its text.
constexpr std::size_t message_overhead = 500;

std::size_t bytes_of(const DynamoMessage& message) {
    return size_of(message.message) + message.message.metadata.size() + message_overhead;
}

// The newest of them, as many as are kept; gives their size.
std::size_t trim(WarmSession& session) {
    std::size_t bytes = message_overhead + session.header.system.size();
    std::size_t kept = 0;
    while (kept < session.newest.size() && kept < most_messages) {
        const std::size_t more = bytes_of(session.newest[kept]);
        if (kept > 0 && bytes + more > most_session_bytes) break;
        bytes += more;
        ++kept;
    }
    if (kept < session.newest.size()) {
        session.newest.resize(kept);
        session.more = true;
    }
    return bytes;
}

}  // namespace

std::optional<WarmSession> DynamoCache::take(const sessions::SessionKey& key) {
    const auto found = by_name_.find(key.owner + "|" + key.session_id);
    if (found == by_name_.end()) return std::nullopt;
    WarmSession session = std::move(found->second->session);
    bytes_ -= found->second->bytes;
    entries_.erase(found->second);
    by_name_.erase(found);
    return session;
}

void DynamoCache::put(const sessions::SessionKey& key, WarmSession session) {
    forget(key);
    const std::size_t bytes = trim(session);
    std::string name = key.owner + "|" + key.session_id;
    entries_.push_front({.name = name, .session = std::move(session), .bytes = bytes});
    by_name_[std::move(name)] = entries_.begin();
    bytes_ += bytes;
    while (bytes_ > max_bytes_ && !entries_.empty()) {
        bytes_ -= entries_.back().bytes;
        by_name_.erase(entries_.back().name);
        entries_.pop_back();
    }
}

}  // namespace tertulia::storage
