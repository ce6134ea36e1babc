#include "tertulia/api/socket_frames.h"

#include <fmt/format.h>

#include <memory>

#include "tertulia/api/error_reply.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

using sessions::EventBatch;
using sessions::EventKind;
using Event = EventBatch::Event;

bool is_delta(EventKind kind) {
    return kind == EventKind::text || kind == EventKind::refusal || kind == EventKind::thinking ||
           kind == EventKind::tool_arguments;
}

bool follows(const Event& before, const Event& event, std::size_t most_bytes) {
    return is_delta(event.kind) && before.kind == event.kind && before.block == event.block &&
           before.text.offset + before.text.size == event.text.offset && event.extra.size == 0 &&
           before.text.size + event.text.size <= most_bytes;
}

// Without the answer's text.
std::string shortened_end(const Event& event, const EventBatch& batch, const TurnFacts& facts,
                          std::string_view client_id) {
    auto result = std::make_shared<sessions::TurnResult>(*facts.result);
    result->message.clear();
    result->content.clear();
    result->missed.reset();
    const TurnFacts shorter{
        .name = facts.name, .started = facts.started, .result = std::move(result), .request_id = facts.request_id};
    std::string text;
    append_socket_event(text, event, batch, shorter, client_id);
    text.insert(text.size() - 2, ",\"shortened\":true");  // before the braces of data and message
    return text;
}

// A text in pieces: JSON makes six bytes of one at the most.
void add_pieces(std::vector<std::string>& frames, Event event, const EventBatch& batch, const TurnFacts& facts,
                std::string_view client_id, std::size_t most_bytes) {
    constexpr std::size_t worst = 6, around = 1024;
    const std::size_t piece_bytes = (most_bytes > 2 * around ? most_bytes - around : around) / worst;
    std::string_view rest = batch.text(event.text);
    while (!rest.empty()) {
        const std::string_view piece = base::cut_utf8(rest, piece_bytes);
        event.text.size = static_cast<std::uint32_t>(piece.empty() ? rest.size() : piece.size());
        append_socket_event(frames.emplace_back(), event, batch, facts, client_id);
        event.text.offset += event.text.size;
        rest.remove_prefix(event.text.size);
        if (event.kind == EventKind::text_replaced) event.kind = EventKind::text;
    }
}

}  // namespace

void append_socket_event(std::string& out, const Event& event, const EventBatch& batch, const TurnFacts& facts,
                         std::string_view client_id) {
    out += "{\"type\":\"";
    out += event_name(event, facts);
    fmt::format_to(std::back_inserter(out), "\",\"id\":\"{}:{}\",\"session_id\":", facts.name.turn_id, event.number);
    base::append_json_string(out, facts.name.key.session_id);
    if (!client_id.empty()) {
        out += ",\"request_id\":";
        base::append_json_string(out, client_id);
    }
    out += ",\"data\":";
    append_event_data(out, event, batch, facts);
    out += '}';
}

std::string socket_error(const base::Error& error, std::string_view id, std::string_view more) {
    std::string text = "{\"type\":\"error\",";
    std::string body;
    append_error(body, error, {.request_id = id, .more = more});
    return text.append(body, 1);
}

std::vector<std::string> socket_frames(const EventBatch& batch, const TurnFacts& facts, std::string_view client_id,
                                       const FrameLimits& limits) {
    std::vector<Event> joined;
    for (const Event& event : batch.events) {
        if (joined.empty() || !follows(joined.back(), event, limits.joined_bytes)) {
            joined.push_back(event);
            continue;
        }
        joined.back().text.size += event.text.size;
        joined.back().number = event.number;
    }
    std::vector<std::string> frames;
    for (const Event& event : joined) {
        std::string text;
        append_socket_event(text, event, batch, facts, client_id);
        const bool fits = text.size() <= limits.message_bytes;
        if (!fits && event.kind == EventKind::ended)
            frames.push_back(shortened_end(event, batch, facts, client_id));
        else if (!fits && (is_delta(event.kind) || event.kind == EventKind::text_replaced))
            add_pieces(frames, event, batch, facts, client_id, limits.message_bytes);
        else
            frames.push_back(std::move(text));
    }
    return frames;
}

}  // namespace tertulia::api
