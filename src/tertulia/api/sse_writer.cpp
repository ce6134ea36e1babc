#include "tertulia/api/sse_writer.h"

#include <fmt/format.h>

#include "tertulia/api/answer_json.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

std::string_view end_name(sessions::TurnState state) {
    switch (state) {
        case sessions::TurnState::completed:
            return "turn.completed";
        case sessions::TurnState::cancelled:
            return "turn.cancelled";
        case sessions::TurnState::interrupted:
            return "turn.interrupted";
        default:
            return "turn.failed";
    }
}

void append_integer(std::string& out, std::uint32_t value) {
    const fmt::format_int digits(value);
    out.append(digits.data(), digits.size());
}

void append_text(std::string& out, std::string_view head, std::string_view text) {
    out += head;
    base::append_json_string(out, text);
    out += '}';
}

// A call begins with its id and name; its arguments follow in pieces.
void append_tool_call(std::string& out, const sessions::EventBatch::Event& event, const sessions::EventBatch& batch) {
    out += "\nevent: tool_call.delta\ndata: {\"index\":";
    append_integer(out, event.block);
    if (event.starts_call) {
        out += ",\"id\":";
        base::append_json_string(out, batch.text(event.extra));
        out += ",\"name\":";
        base::append_json_string(out, batch.text(event.text));
        out += ",\"arguments\":\"\"}";
    } else {
        append_text(out, ",\"arguments\":", batch.text(event.text));
    }
}

}  // namespace

void SseWriter::append(std::string& out, const sessions::EventBatch& batch, const sessions::TurnStarted& started,
                       const sessions::TurnResult* result) const {
    // About 60 bytes of frame per event, and a few of the text's are escaped.
    out.reserve(out.size() + batch.bytes.size() + batch.bytes.size() / 8 +
                batch.events.size() * (id_line_.size() + 64) + 256);
    for (const sessions::EventBatch::Event& event : batch.events) {
        out += id_line_;
        append_integer(out, event.number);
        switch (event.kind) {
            case sessions::EventKind::started:
                out += "\nevent: turn.started\ndata: {\"session_id\":";
                base::append_json_string(out, started.session_id);
                out += ",\"turn_id\":";
                base::append_json_string(out, started.turn_id);
                append_text(out, ",\"model\":", started.model);
                break;
            case sessions::EventKind::text_delta:
                append_text(out, "\nevent: text.delta\ndata: {\"text\":", batch.text(event.text));
                break;
            case sessions::EventKind::thinking_delta:
                append_text(out, "\nevent: thinking.delta\ndata: {\"text\":", batch.text(event.text));
                break;
            case sessions::EventKind::tool_call_delta:
                append_tool_call(out, event, batch);
                break;
            case sessions::EventKind::usage:
                out += "\nevent: usage\ndata: ";
                append_usage(out, result->usage);
                break;
            case sessions::EventKind::ended:
                append_end(out, *result);
                break;
        }
        out += "\n\n";
    }
}

void SseWriter::append_end(std::string& out, const sessions::TurnResult& result) const {
    out += "\nevent: ";
    out += end_name(result.state);
    out += "\ndata: ";
    if (result.state == sessions::TurnState::completed)
        append_answer(out, result);
    else
        append_error(out, turn_error(result),
                     {.request_id = request_id_, .session_id = result.session_id, .turn_id = result.turn_id});
}

}  // namespace tertulia::api
