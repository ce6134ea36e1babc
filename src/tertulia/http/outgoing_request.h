// A request as it goes to another server.
#pragma once

#include <string>

#include "tertulia/base/error.h"
#include "tertulia/http/client.h"

namespace tertulia::http {

/// Head and body, to be sent in one write. invalid_request where a part of it could write into the head (a line end in
/// a value, a space in the target) or sets a field that is the client's own.
base::Result<std::string> render(const ClientRequest& request);

}  // namespace tertulia::http
