// What API Gateway says of its WebSockets.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/aws/gateway_connections.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::lambda {

/// A client of a WebSocket API. Value.
struct SocketClient {
    std::string connection_id;
    aws::GatewayStage stage;
    bool operator==(const SocketClient&) const = default;
};

/// The stage as one text, and back; nothing: it is none. Pure.
std::string write_address(const aws::GatewayStage& stage);
std::optional<aws::GatewayStage> read_address(std::string_view address);

/// Value.
struct SocketEvent {
    enum class Type : std::uint8_t { connect, message, disconnect };
    Type type = Type::message;
    SocketClient client;
    /// Of `connect`: the opening handshake as `GET /ws`, as far as API Gateway shows it.
    http::Request handshake;
    /// Of `message`: unique among those of the connection.
    std::string message_id;
    std::string message;
};

/// `event`: of a WebSocket API (its `requestContext` has a `connectionId`). invalid_request: a member that it needs is
/// missing, or is not what it has to be; a message that is not text. Pure.
base::Result<SocketEvent> read_socket_event(const boost::json::object& event);

}  // namespace tertulia::lambda
