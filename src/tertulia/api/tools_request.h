// The `tools` and `tool_choice` of a request.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/chat/tool.h"

namespace tertulia::api {

/// Reads a list of at most 128 `{"name", "description"?, "input_schema"}`. Names are of `[A-Za-z0-9_-]{1,64}` (what all
/// providers take) and differ; a schema is an object whose `type`, where it has one, is "object" (else it is given that
/// one), of at most 64 KiB. The error (always invalid_request) names the place. Pure.
base::Result<std::vector<chat::Tool>> read_tools(const boost::json::value& value);

/// Reads `"auto"`, `"any"`, `"none"` or `{"name": "..."}`. Pure.
base::Result<chat::ToolChoice> read_tool_choice(const boost::json::value& value);

/// Does the choice make sense with these tools: does it name one of them, or not need any? Pure.
base::Result<void> check_tool_choice(const std::optional<chat::ToolChoice>& choice,
                                     const std::vector<chat::Tool>& tools);

}  // namespace tertulia::api
