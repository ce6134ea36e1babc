// What Lambda asks of a function, and what the function says to it.
#pragma once

#include <expected>
#include <string>

#include "tertulia/base/clock.h"

namespace tertulia::lambda {

/// One event to be answered. Value.
struct Invocation {
    /// Lambda's own id of it.
    std::string id;
    /// The function is killed then.
    base::Deadline deadline;
    std::string function_arn;
    /// For X-Ray; empty: not traced.
    std::string trace_id;
    /// JSON.
    std::string event;
};

/// Why an invocation failed. Value.
struct InvocationError {
    /// What retry rules match: `Provider.Overloaded`, `Request.Invalid`, ... (error_types.h).
    std::string type;
    /// For people.
    std::string message;
    /// Further members of the error's object, as JSON that begins with a comma.
    std::string more = {};
};

/// The payload (JSON) that an invocation is answered with.
using Outcome = std::expected<std::string, InvocationError>;

}  // namespace tertulia::lambda
