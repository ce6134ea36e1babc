// What AWS knows a caller by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tertulia/base/secret.h"

namespace tertulia::aws {

/// An access key, long-lived or lent for a while. Value.
struct Credentials {
    std::string access_key_id = {};
    base::Secret secret_access_key = {};
    /// Empty: the key is a user's own.
    base::Secret session_token = {};
    /// Microseconds since 1970; nothing: they do not expire.
    std::optional<std::int64_t> expires_us = {};
};

}  // namespace tertulia::aws
