// Sessions in memory: for tests, and for servers that need not remember.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/memory_ledger.h"

namespace tertulia::storage {

/// Keeps everything until it is destroyed, and nothing beyond. Shared; safe from any thread.
class MemoryStore final : public sessions::SessionStore {
  public:
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) override;
    async::Task<base::Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                                          std::int64_t max_messages,
                                                                          std::int64_t max_bytes) override;
    async::Task<base::Result<std::int64_t>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    /// Keeps nothing: a crash leaves nothing of this store.
    async::Task<base::Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) override;
    async::Task<base::Result<void>> close_turn(sessions::TurnName turn, std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::StoredTurn>>> turn(sessions::TurnName name) override;
    async::Task<base::Result<std::string>> next_turn(sessions::TurnName after) override;
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> idempotency(std::string owner,
                                                                                      std::string key,
                                                                                      std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key,
                                                                             sessions::MessageQuery query) override;
    async::Task<base::Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                              std::string after) override;
    async::Task<base::Result<bool>> remove(sessions::SessionKey key) override;
    async::Task<base::Result<sessions::UsageReport>> usage(sessions::UsageQuery query) override;

  private:
    struct Entry {
        sessions::StoredMessage message;  // without the two that histories leave out
        std::string events;
        std::optional<sessions::TurnOutcome> outcome;
    };
    // What an answer was before `next_turn` rewrote it.
    struct Replaced {
        Entry entry;  // its content is empty
        std::size_t content_size = 0;
        std::string next_turn;
    };
    struct Session {
        sessions::SessionHeader header;
        std::string running_turn;
        std::string running_place;  // of the answer that it rewrites
        std::uint32_t running_number = 1;
        std::vector<Entry> messages;  // in the order of their timestamps
        std::vector<Replaced> replaced;
        std::vector<std::string> keys;  // idempotency keys that were its own
    };
    using Sessions = std::unordered_map<std::string, Session>;  // by session id

    Session* find(const sessions::SessionKey& key);
    static void append(Session& session, sessions::StoredMessage message);
    static void write_answer(Session& session, sessions::StoredMessage answer);
    static void close(Session& session, std::string place, const std::string& created_at);
    static bool may_rewrite(const Session& session, const std::string& place);
    static sessions::StoredMessage question_before(const Session& session, std::vector<Entry>::const_iterator place);

    using KeyName = std::pair<std::string, std::string>;  // owner, key
    using Keys = std::map<KeyName, sessions::IdempotencyRecord>;
    void keep_key(const std::string& owner, const sessions::IdempotencyRecord& record);
    void forget(Keys::iterator key);

    std::mutex mutex_;
    std::unordered_map<std::string, Sessions> owners_;
    Keys keys_;
    MemoryLedger ledger_;
    std::set<std::pair<std::int64_t, KeyName>> key_ends_;  // when each of keys_ expires
};

}  // namespace tertulia::storage
