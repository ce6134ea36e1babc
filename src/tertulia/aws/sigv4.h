// Signature Version 4: how AWS is shown who calls.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tertulia/aws/credentials.h"
#include "tertulia/http/message.h"

namespace tertulia::aws {

/// What is signed. Views into what the caller has.
struct RequestToSign {
    std::string_view method;
    /// As the `Host` field says it.
    std::string_view host;
    /// Path and query as they are sent.
    std::string_view target;
    /// All of them are signed but those that a proxy may change (`user-agent`, `expect`, `x-amzn-trace-id`, those of a
    /// connection). A value over several lines counts as one line.
    const http::Headers& headers;
    std::string_view body;
};

/// For which service, and when. Value.
struct SigningScope {
    std::string region;
    std::string service;
    /// Microseconds since 1970.
    std::int64_t wall_us = 0;
};

/// What differs between services. Value.
struct SigningRules {
    /// The path that is sent is encoded once more for the signature: so for every service but S3, whose path is decoded
    /// and encoded anew.
    bool encode_path_twice = true;
    /// `.`, `..` and empty segments are taken out of the path for the signature: so for every service but S3.
    bool normalize_path = true;
    /// Send `x-amz-content-sha256` too.
    bool add_body_hash = true;
    /// The session token is part of what is signed, or only sent along.
    bool sign_token = true;
};

/// A signature, with what it is made of (which AWS repeats in its answer where the two do not agree; the session's
/// token is in it). Value.
struct Signature {
    std::string canonical_request;
    std::string string_to_sign;
    std::string hex;
};

/// The fields to add to the request: `X-Amz-Date`, `X-Amz-Security-Token` and `x-amz-content-sha256` where they apply,
/// `Authorization`. (AWS General Reference, "Signature Version 4 signing process".) Pure; `signature`, where given,
/// gets what was signed.
http::Headers sign_headers(const RequestToSign& request, const Credentials& credentials, const SigningScope& scope,
                           const SigningRules& rules = {}, Signature* signature = nullptr);

/// The target with the signature in its query (a presigned URL), good for `lifetime` from the scope's moment.
std::string sign_query(const RequestToSign& request, const Credentials& credentials, const SigningScope& scope,
                       std::chrono::seconds lifetime, const SigningRules& rules = {}, Signature* signature = nullptr);

}  // namespace tertulia::aws
