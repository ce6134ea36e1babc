// Content blocks as JSON of the API's form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/content.h"

namespace tertulia::api {

/// Appends a list of blocks, in the form in which requests give theirs (content_request.h); those of answers are:
///
///     {"type": "thinking", "thinking": "..."}
///     {"type": "tool_use", "id": "...", "name": "...", "input": {...}}    `input` is a string, as the model wrote it,
///     where
///                                                                         that is no JSON object
///     {"type": "opaque", "maker": "anthropic-messages"}                   only its maker can read it
void append_blocks(std::string& out, const std::vector<chat::ContentBlock>& blocks);

}  // namespace tertulia::api
