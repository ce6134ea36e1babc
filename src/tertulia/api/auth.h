// Who may call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"

namespace tertulia::api {

/// Does an `Authorization` header bear this token (RFC 6750, 2.1)? Compared in constant time. `unauthenticated`, with
/// what to do, where it does not. Pure.
base::Result<void> check_bearer(std::string_view authorization, const base::Secret& token);

/// The subprotocol by which a WebSocket's maker bears this token, since in a browser it can set no header: the token
/// itself, or `tertulia.token.<token>`. Empty: none does. It points into `request`. Pure.
std::string_view token_subprotocol(const http::Request& request, const base::Secret& token);

/// The same as check_bearer for a WebSocket: the header or the subprotocol. Pure.
base::Result<void> check_socket_bearer(const http::Request& request, const base::Secret& token);

/// May a page of this `Origin` open a WebSocket here? Any page could, in its reader's name, if nobody looked: there is
/// no CORS for them. Allowed are requests without an origin (they come from no page), the server's own pages and those
/// of `allowed` (`*` for all). Pure.
bool is_allowed_origin(const http::Request& request, const std::vector<std::string>& allowed);

/// Is a `Host` header's value a name of this machine's loopback: `localhost`, an address of 127.0.0.0/8 or `[::1]`,
/// with any port? A page on another site that has its own name resolve to 127.0.0.1 (DNS rebinding) cannot make a
/// browser send one of these. Pure.
bool is_loopback_host(std::string_view host);

}  // namespace tertulia::api
