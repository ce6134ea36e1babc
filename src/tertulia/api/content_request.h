// The `content` of a request: what a user sends beside text.
#pragma once

#include <boost/json/fwd.hpp>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/chat/content.h"

namespace tertulia::api {

/// Reads a list of 1 to 256 blocks, strictly: known types and members only, each of the right kind and within its
/// limits.
///
///     {"type": "text", "text": "..."}                                             not blank
///     {"type": "image", "source": SOURCE}                                         PNG, JPEG, GIF, WebP
///     {"type": "document", "source": SOURCE, "name"?: "..."}                      PDF, text, CSV, HTML, Markdown,
///     Word, Excel
///     {"type": "tool_result", "tool_use_id": "...", "content"?: "text" or blocks (text, image, document), "is_error"?:
///     false}
///
/// SOURCE is `{"type": "base64", "media_type": "image/png", "data": "..."}` (RFC 4648 section 4, with padding, no line
/// ends) or `{"type": "url", "url": "https://..."}`, which the provider fetches; we never do. The error (always
/// invalid_request) names the place (`content[2].source.data`) and says what is allowed. Pure.
base::Result<std::vector<chat::ContentBlock>> read_content(const boost::json::value& value);

}  // namespace tertulia::api
