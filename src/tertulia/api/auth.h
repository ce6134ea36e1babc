// Who may call.
#pragma once

#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/base/secret.h"

namespace tertulia::api {

/// Does an `Authorization` header bear this token (RFC 6750, 2.1)? Compared in constant time. `unauthenticated`, with
/// what to do, where it does not. Pure.
base::Result<void> check_bearer(std::string_view authorization, const base::Secret& token);

/// Is a `Host` header's value a name of this machine's loopback: `localhost`, an address of 127.0.0.0/8 or `[::1]`,
/// with any port? A page on another site that has its own name resolve to 127.0.0.1 (DNS rebinding) cannot make a
/// browser send one of these. Pure.
bool is_loopback_host(std::string_view host);

}  // namespace tertulia::api
