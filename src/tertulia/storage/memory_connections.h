// WebSockets of other fronts, in memory.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::storage {

/// For one process alone. One per worker.
class MemoryConnections final : public sessions::SocketConnections {
  public:
    /// `clock` outlives it.
    explicit MemoryConnections(const base::Clock& clock) : clock_(clock) {}

    async::Task<base::Result<void>> add(std::string connection_id, std::string owner, std::int64_t expires_us) override;
    async::Task<base::Result<void>> remove(std::string connection_id) override;
    async::Task<base::Result<bool>> subscribe(sessions::SocketSubscription subscription) override;
    async::Task<base::Result<void>> unsubscribe(std::string connection_id, sessions::SessionKey key) override;
    async::Task<base::Result<void>> stop_waiting(sessions::SocketSubscription subscription) override;
    async::Task<base::Result<std::vector<sessions::SocketSubscription>>> subscriptions(
        sessions::SessionKey key) override;
    async::Task<base::Result<std::optional<std::uint32_t>>> claim(sessions::SocketSubscription subscription,
                                                                  std::string turn_id, std::string by) override;
    async::Task<base::Result<void>> release(sessions::SocketSubscription subscription, std::string turn_id,
                                            std::uint32_t told) override;

  private:
    struct Claim {
        std::string number;  // of the subscription
        std::string by;      // empty: nobody
        std::uint32_t told = 0;
    };
    struct Connection {
        std::int64_t expires_us = 0;
        std::vector<sessions::SocketSubscription> subscriptions;
        std::map<std::string, Claim> claims;  // by turn
    };
    /// Null: it is not there.
    Connection* find(const std::string& connection_id);
    sessions::SocketSubscription* find(const std::string& connection_id, const sessions::SessionKey& key);

    const base::Clock& clock_;
    std::map<std::string, Connection> all_;
};

}  // namespace tertulia::storage
