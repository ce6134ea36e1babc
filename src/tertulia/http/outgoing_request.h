// A request as it goes to another server.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/client.h"

namespace tertulia::http {

/// Head and body, to be sent in one write. invalid_request where a part of it could write into the head (a line end in
/// a value, a space in the target) or sets a field that is the client's own.
base::Result<std::string> render(const ClientRequest& request);
/// The same for a body in chunks, of which `request.body` is the first (none where it is empty), on a connection that
/// is to be closed.
base::Result<std::string> render_upload(const ClientRequest& request);
/// `bytes`, which are not empty, as one chunk.
std::string render_chunk(std::string_view bytes);
/// The end of such a body.
base::Result<std::string> render_last_chunk(const Headers& trailers);

}  // namespace tertulia::http
