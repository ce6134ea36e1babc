// Clients who subscribe to sessions over a WebSocket API.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tertulia/api/chat_handler.h"
#include "tertulia/app/shared_parts.h"
#include "tertulia/async/worker.h"
#include "tertulia/http/client.h"
#include "tertulia/lambda/turn_broadcast.h"
#include "tertulia/storage/dynamodb_client.h"

namespace tertulia::app {

/// Who they are (in DynamoDB where the sessions are there, else in memory), and the telling of them: the turns of its
/// session service are told from its making on. Made before the first turn. One per worker.
class Subscribers {
  public:
    /// All of it outlives this.
    struct Parts {
        const SharedParts& shared;
        async::Worker& worker;
        http::Client& client;
        aws::CredentialCache& credentials;
        sessions::SessionService& sessions;
    };
    /// `every_turn`: TurnBroadcast::Settings.
    Subscribers(const Parts& parts, const api::ChatDefaults& chat, bool every_turn);
    Subscribers(const Subscribers&) = delete;

    sessions::SocketConnections& connections() { return *connections_; }
    lambda::TurnBroadcast& broadcast() { return *broadcast_; }
    const lambda::GatewaySocket::Parts& gateway() const { return gateway_; }

  private:
    void make_connections(const Parts& parts);

    std::optional<aws::ServiceClient> dynamo_service_;
    std::optional<storage::DynamoClient> dynamo_;
    std::unique_ptr<sessions::SocketConnections> connections_;
    const lambda::GatewaySocket::Parts gateway_;
    std::optional<lambda::TurnBroadcast> broadcast_;
};

}  // namespace tertulia::app
