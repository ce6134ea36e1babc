// One client's other invocations.
#pragma once

#include <string>

#include "tertulia/api/socket_session.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::lambda {

/// Goes by what all processes know of the client's connection. Where that cannot be read the client is told: too much
/// is better than too little. One per worker.
class ConnectionPeers final : public api::SocketPeers {
  public:
    /// `number`: of the subscription that this process serves. `connections` outlives this.
    ConnectionPeers(sessions::SocketConnections& connections, std::string connection_id, std::string number)
        : connections_(connections), connection_id_(std::move(connection_id)), number_(std::move(number)) {}

    async::Task<void> began(sessions::TurnName turn) override;
    async::Task<Feed> look(std::string session_id, std::string turn_id) override;

  private:
    sessions::SocketConnections& connections_;
    const std::string connection_id_;
    const std::string number_;
};

}  // namespace tertulia::lambda
