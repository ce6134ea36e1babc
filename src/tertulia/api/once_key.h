// What makes a request the same as an earlier one.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/sessions/turn_request.h"

namespace tertulia::api {

/// Lets the request be recognised by a key of the client's: 1 to 255 visible ASCII characters. `body`: all that it asks
/// for; how it is to be delivered (`stream`, `on_disconnect`) does not count, nor how it is written. Pure.
base::Result<void> set_once_key(std::string_view key, const boost::json::object& body, sessions::TurnRequest& request);

/// The same by `Idempotency-Key` or, without one, by `X-Stainless-Retry-Count`: the official SDKs number their
/// attempts, and the body alone tells which request a later one repeats. Neither: nothing. Pure.
base::Result<void> read_once_headers(const http::Headers& headers, const boost::json::object& body,
                                     sessions::TurnRequest& request);

}  // namespace tertulia::api
