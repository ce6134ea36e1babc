#include "tertulia/api/event_json.h"

#include <fmt/format.h>

#include "tertulia/api/answer_json.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using sessions::EventKind;

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

void append_text(std::string& out, std::string_view head, std::string_view text) {
    out += head;
    base::append_json_string(out, text);
}

// A call begins with its id and name; its arguments follow in pieces.
void append_tool_call(std::string& out, const sessions::EventBatch::Event& event, const sessions::EventBatch& batch) {
    const fmt::format_int index(event.block);
    out += "{\"index\":";
    out.append(index.data(), index.size());
    if (event.kind == EventKind::tool_call) {
        append_text(out, ",\"id\":", batch.text(event.extra));
        append_text(out, ",\"name\":", batch.text(event.text));
        out += ",\"arguments\":\"\"}";
    } else {
        append_text(out, ",\"arguments\":", batch.text(event.text));
        out += '}';
    }
}

void append_rerouted(std::string& out, const sessions::Rerouted& rerouted) {
    append_text(out, "{\"from\":", rerouted.from);
    append_text(out, ",\"to\":", rerouted.to);
    append_text(out, ",\"reason\":", rerouted.reason);
    fmt::format_to(std::back_inserter(out), ",\"kept_chars\":{}}}", rerouted.kept_chars);
}

void append_ids(std::string& out, const TurnFacts& facts) {
    append_text(out, "{\"session_id\":", facts.name.key.session_id);
    append_text(out, ",\"turn_id\":", facts.name.turn_id);
}

}  // namespace

std::string_view event_name(const sessions::EventBatch::Event& event, const TurnFacts& facts) {
    switch (event.kind) {
        case EventKind::queued:
            return "turn.queued";
        case EventKind::started:
            return "turn.started";
        case EventKind::text:
        case EventKind::refusal:
            return "text.delta";
        case EventKind::thinking:
            return "thinking.delta";
        case EventKind::tool_call:
        case EventKind::tool_arguments:
            return "tool_call.delta";
        case EventKind::text_replaced:
            return "text.replaced";
        case EventKind::rerouted:
            return "turn.rerouted";
        case EventKind::usage:
            return "usage";
        case EventKind::ended:
            return end_name(facts.result->state);
        case EventKind::signature:
        case EventKind::native:
        case EventKind::restart:
        case EventKind::maker:
        case EventKind::billed:
            break;  // shown to nobody
    }
    return "";
}

void append_event_data(std::string& out, const sessions::EventBatch::Event& event, const sessions::EventBatch& batch,
                       const TurnFacts& facts) {
    switch (event.kind) {
        case EventKind::queued:
            append_ids(out, facts);
            out += '}';
            break;
        case EventKind::started:
            append_ids(out, facts);
            append_text(out, ",\"model\":", facts.started->model);
            if (!facts.started->continues.empty()) append_text(out, ",\"continues\":", facts.started->continues);
            out += '}';
            break;
        case EventKind::tool_call:
        case EventKind::tool_arguments:
            append_tool_call(out, event, batch);
            break;
        case EventKind::rerouted:
            append_rerouted(out, sessions::Rerouted::from_text(batch.text(event.text)).value_or(sessions::Rerouted{}));
            break;
        case EventKind::usage:
            append_usage(out, facts.result->usage);
            break;
        case EventKind::ended:
            if (facts.result->state == sessions::TurnState::completed)
                append_answer(out, *facts.result);
            else
                append_turn_error(out, *facts.result, facts.request_id);
            break;
        default:
            append_text(out, "{\"text\":", batch.text(event.text));
            out += '}';
    }
}

}  // namespace tertulia::api
