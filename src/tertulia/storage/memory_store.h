// Sessions in memory: for tests, and for servers that need not remember.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tertulia/sessions/store.h"

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
    async::Task<base::Result<void>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key,
                                                                             sessions::MessageQuery query) override;
    async::Task<base::Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                              std::string after) override;
    async::Task<base::Result<bool>> remove(sessions::SessionKey key) override;

  private:
    struct Session {
        sessions::SessionHeader header;
        std::string running_turn;
        std::vector<sessions::StoredMessage> messages;  // in the order of their timestamps
    };
    using Sessions = std::unordered_map<std::string, Session>;  // by session id

    Session* find(const sessions::SessionKey& key);
    static void append(Session& session, sessions::StoredMessage message);

    std::mutex mutex_;
    std::unordered_map<std::string, Sessions> owners_;
};

}  // namespace tertulia::storage
