// The opening handshake of a WebSocket, without I/O (RFC 6455 4.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

/// Is this request an opening handshake that can be accepted? Gives the value of the answer's `Sec-WebSocket-Accept`.
/// Errors: status 400 (HTTP/1.0, a body, no key or a malformed one), 426 (no `Upgrade: websocket` with `Connection:
/// upgrade`, or a version other than 13).
base::Result<std::string> check_websocket_handshake(const Request& request);

/// The subprotocols that the client offers, in its order of preference. They point into `request`.
std::vector<std::string_view> offered_subprotocols(const Request& request);

}  // namespace tertulia::http
