// Errors as the client sees them.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/sessions/turn_result.h"

namespace tertulia::api {

/// Which request failed and, once a turn has begun, which turn. Views; empty: not known. Value.
struct ErrorContext {
    std::string_view request_id;
    std::string_view session_id = {};
    std::string_view turn_id = {};
    /// Further members, as JSON that begins with a comma.
    std::string_view more = {};
};

/// Appends the body of every error: `{"error", "message", "code", "request_id"}`, with `session_id` and `turn_id` once
/// a turn has begun and `retry_after_ms` where that is known (a stream has no headers left to say it in), and `budget`
/// (`{"left_usd", "renews_at"}`) where one refused.
void append_error(std::string& out, const base::Error& error, const ErrorContext& context);

/// The whole answer: status, body, and `retry-after` (whole seconds, rounded up) with `retry-after-ms`.
http::Response error_response(const base::Error& error, const ErrorContext& context);

/// Why a turn that did not complete did not.
base::Error turn_error(const sessions::TurnResult& result);

/// The whole answer where a turn did not complete: with its ids if it had `started` (else nothing is there that they
/// could find), `partial` and `missed`.
http::Response turn_error_response(const sessions::TurnResult& result, bool started, std::string_view request_id);

}  // namespace tertulia::api
