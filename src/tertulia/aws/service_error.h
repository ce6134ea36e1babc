// What an AWS service says where it does not do what it was asked.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::aws {

/// A call of a service that failed. Value.
struct ServiceError {
    /// The service's own name for it, without what stands before a `#` or after a `:` ("ThrottlingException"); empty:
    /// the service did not answer, or not in its own words.
    std::string code = {};
    /// For people; what the service says, as one line without secrets.
    std::string message = {};
    /// 0: there was no answer.
    int status = 0;
    /// The answer's body, for what the error's type has besides (`Item`, `CancellationReasons`).
    std::string body = {};
    /// What the caller can do: upstream_rejected (the same again is refused again), forbidden (no permission),
    /// unauthenticated (no credentials, or they are refused), upstream_unavailable (throttled, broken, unreachable),
    /// timed_out, unavailable ("stopped"), too_large (the answer).
    base::Errc errc = base::Errc::upstream_unavailable;

    bool is(std::string_view name) const { return code == name; }
    bool operator==(const ServiceError&) const = default;
};

/// From an answer whose status is not 200 to 299, in JSON (`__type` or `code`, `message` or `Message`; the field
/// `x-amzn-ErrorType`) or without any body.
ServiceError read_service_error(int status, const http::Headers& headers, std::string body);

/// For people: "DynamoDB refuses it (ValidationException): ...". `service` is how people call it. The code of the
/// result is `error.errc`.
base::Error to_error(const ServiceError& error, std::string_view service);

}  // namespace tertulia::aws
