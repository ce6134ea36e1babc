// A turn's events as messages of a WebSocket.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/api/event_json.h"
#include "tertulia/sessions/turn_log.h"

namespace tertulia::api {

/// Appends one event: `{"type", "id", "session_id", "request_id"?, "data"}`. `client_id`: the client's own id of what
/// it asked; empty: none.
void append_socket_event(std::string& out, const sessions::EventBatch::Event& event, const sessions::EventBatch& batch,
                         const TurnFacts& facts, std::string_view client_id);

/// `{"type": "error", ...}` with the members of every error (error_reply.h); `id`: the client's own, or the request's.
std::string socket_error(const base::Error& error, std::string_view id, std::string_view more = {});

/// What a front that is not ours takes of a message. Value.
struct FrameLimits {
    /// Deltas of one block that follow each other are one message, up to about so many bytes of text.
    std::size_t joined_bytes = 4096;
    /// No message is longer.
    std::size_t message_bytes = 32 * 1024;
};

/// The events of a batch as messages, within limits. Deltas that were joined bear the id of the last one. A delta, or a
/// replaced text, that is too long for one message comes in several, all of its id: `text.replaced` goes on in
/// `text.delta`. An end that is too long goes without the answer's text, which the deltas have said, and with
/// `"shortened": true`. Pure.
std::vector<std::string> socket_frames(const sessions::EventBatch& batch, const TurnFacts& facts,
                                       std::string_view client_id, const FrameLimits& limits);

}  // namespace tertulia::api
