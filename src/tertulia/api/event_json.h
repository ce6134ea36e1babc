// A turn's events as names and JSON: what SSE and WebSocket share.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/sessions/turn_log.h"
#include "tertulia/sessions/turn_reader.h"

namespace tertulia::api {

/// What events need beside themselves: how the turn started and ended, as far as it has. Value.
struct TurnFacts {
    const sessions::TurnName& name;
    std::shared_ptr<const sessions::TurnStarted> started;
    std::shared_ptr<const sessions::TurnResult> result;
    /// For the body of an error.
    std::string_view request_id;

    static TurnFacts of(const sessions::TurnReader& reader, std::string_view request_id) {
        return {reader.name(), reader.started(), reader.result(), request_id};
    }
};

/// `text.delta`, `turn.completed`, ...
std::string_view event_name(const sessions::EventBatch::Event& event, const TurnFacts& facts);

/// Appends the event's data, one JSON object without line ends.
void append_event_data(std::string& out, const sessions::EventBatch::Event& event, const sessions::EventBatch& batch,
                       const TurnFacts& facts);

}  // namespace tertulia::api
