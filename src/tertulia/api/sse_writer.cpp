#include "tertulia/api/sse_writer.h"

#include <fmt/format.h>

namespace tertulia::api {

void append_sse(std::string& out, const sessions::EventBatch& batch, const TurnFacts& facts) {
    // About 60 bytes of frame per event, and a few of the text's are escaped.
    const std::size_t frame = facts.name.turn_id.size() + 68;
    out.reserve(out.size() + batch.bytes.size() + batch.bytes.size() / 8 + batch.events.size() * frame + 256);
    for (const sessions::EventBatch::Event& event : batch.events) {
        const fmt::format_int number(event.number);
        out += "id: ";
        out += facts.name.turn_id;
        out += ':';
        out.append(number.data(), number.size());
        out += "\nevent: ";
        out += event_name(event, facts);
        out += "\ndata: ";
        append_event_data(out, event, batch, facts);
        out += "\n\n";
    }
}

}  // namespace tertulia::api
