// Sessions in memory: for tests, and for servers that need not remember.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>
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
    using Name = std::pair<std::string, std::string>;  // owner, session id
    static Name name_of(const sessions::SessionKey& key) { return {key.owner, key.session_id}; }
    static void append(Session& session, sessions::StoredMessage message);

    std::mutex mutex_;
    std::map<Name, Session> sessions_;
};

}  // namespace tertulia::storage
