// WebSockets of other fronts, in memory.
#pragma once

#include <map>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::storage {

/// For one process alone: for tests. One per worker.
class MemoryConnections final : public sessions::SocketConnections {
  public:
    explicit MemoryConnections(const base::Clock& clock) : clock_(clock) {}

    async::Task<base::Result<void>> add(sessions::SocketConnection connection, std::int64_t expires_us) override;
    async::Task<base::Result<void>> remove(std::string id) override;
    async::Task<base::Result<std::optional<sessions::SocketConnection>>> find(std::string id) override;
    async::Task<base::Result<bool>> subscribe(std::string id, std::string session_id, std::string number) override;
    async::Task<base::Result<void>> note_turn(std::string id, std::string session_id, std::string turn_id) override;

  private:
    struct Kept {
        sessions::SocketConnection connection;
        std::int64_t expires_us = 0;
    };
    /// Null: it is not there.
    Kept* kept(const std::string& id);

    const base::Clock& clock_;
    std::map<std::string, Kept> all_;
};

}  // namespace tertulia::storage
