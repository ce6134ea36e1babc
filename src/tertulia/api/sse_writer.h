// A turn's events as server-sent events.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/api/event_json.h"

namespace tertulia::api {

/// What is sent while the model is silent, so that nothing on the way closes the connection: a comment.
inline constexpr std::string_view sse_heartbeat = ": heartbeat\n\n";

/// Appends all events of `batch`, in order (WHATWG HTML, 9.2 "Server-sent events"), each as `id: <turn>:<number>`,
/// `event: <name>`, `data: <JSON>` and an empty line. JSON text holds no line end, so every event has one line of data.
void append_sse(std::string& out, const sessions::EventBatch& batch, const TurnFacts& facts);

}  // namespace tertulia::api
