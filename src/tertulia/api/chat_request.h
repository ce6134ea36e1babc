// The body of `POST /chat`.
#pragma once

#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// Reads a body, strictly: well-formed JSON, known members only, each of the right kind and within its limits. `null`
/// counts as absent. The error (always invalid_request) names the member and says what is allowed, or says at which
/// byte the JSON breaks. A message that is missing, empty, blank or no string has the documented title and message.
/// Owner and request id are the caller's to fill in. Pure.
base::Result<sessions::TurnRequest> parse_chat_request(std::string_view body);

}  // namespace tertulia::api
