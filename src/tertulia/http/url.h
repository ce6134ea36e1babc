// Absolute http and https addresses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::http {

/// Where a request goes (RFC 3986, RFC 9110 4.2). Value.
struct Url {
    bool tls = false;
    std::string host;          ///< lower case; an IPv6 address without its brackets
    std::uint16_t port = 80;   ///< 443 where the scheme says https and no port is named
    std::string target = "/";  ///< path and query, percent-encoded as given; starts with a slash

    std::string_view scheme() const { return tls ? "https" : "http"; }
    /// What a `Host` field says: `host`, or `host:port` where it is not the scheme's own.
    std::string authority() const;
};

/// invalid_request where `text` is not an absolute http(s) URL, or names a user or a fragment.
base::Result<Url> parse_url(std::string_view text);

}  // namespace tertulia::http
