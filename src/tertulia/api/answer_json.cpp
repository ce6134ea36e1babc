#include "tertulia/api/answer_json.h"

#include <fmt/format.h>

#include <utility>

#include "tertulia/api/content_json.h"
#include "tertulia/api/error_reply.h"
#include "tertulia/api/json_text.h"
#include "tertulia/base/json.h"
#include "tertulia/billing/money.h"

namespace tertulia::api {
namespace {

// `prefix` holds what stands before the value, the name included: one append for what never changes.
void append_string(std::string& out, std::string_view prefix, std::string_view value) {
    out += prefix;
    base::append_json_string(out, value);
}

void append_integer(std::string& out, std::string_view prefix, std::int64_t value) {
    const fmt::format_int digits(value);
    out += prefix;
    out.append(digits.data(), digits.size());
}

void append_string_or_null(std::string& out, std::string_view prefix, std::string_view value) {
    if (!value.empty()) return append_string(out, prefix, value);
    out += prefix;
    out += "null";
}

void append_stop_reason(std::string& out, std::optional<chat::StopReason> reason) {
    append_string_or_null(out, ",\"stop_reason\":", reason ? chat::to_string(*reason) : std::string_view());
}

void append_attempts(std::string& out, const std::vector<sessions::TurnAttempt>& attempts) {
    out += ",\"attempts\":[";
    std::string_view separator = "{\"model\":";
    for (const sessions::TurnAttempt& attempt : attempts) {
        append_string(out, std::exchange(separator, ",{\"model\":"), attempt.model);
        append_string(out, ",\"outcome\":", attempt.outcome);
        append_integer(out, ",\"ms\":", attempt.ms);
        append_integer(out, ",\"tokens\":", attempt.tokens);
        out += '}';
    }
    out += ']';
}

// Of a turn's result, or of a direct answer.
void append_cost(std::string& out, const auto& result) {
    append_string_or_null(
        out, ",\"cost\":{\"usd\":", result.cost_nano ? billing::format_usd(*result.cost_nano) : std::string());
    out += result.usage.estimated() ? ",\"estimated\":true" : ",\"estimated\":false";
    append_string_or_null(out, ",\"price_version\":", result.price_version);
    out += '}';
}

// The text is the client's own object as we wrote it down; whoever edits the store by hand must not break the page.
void append_metadata(std::string& out, const std::string& metadata) {
    out += ",\"metadata\":";
    if (base::parse_json(metadata))
        append_compact_json(out, metadata);
    else
        out += "null";
}

}  // namespace

void append_usage(std::string& out, const chat::Usage& usage) {
    append_integer(out, "{\"input_tokens\":", usage.input);
    append_integer(out, ",\"cache_read_tokens\":", usage.cache_read);
    append_integer(out, ",\"cache_write_tokens\":", usage.cache_write + usage.cache_write_long);
    append_integer(out, ",\"output_tokens\":", usage.output);
    append_integer(out, ",\"reasoning_tokens\":", usage.reasoning);
    out += usage.estimated() ? ",\"estimated\":true}" : "}";
}

void append_answer(std::string& out, const sessions::TurnResult& result) {
    out.reserve(out.size() + result.message.size() + result.message.size() / 16 + 640);
    append_string(out, "{\"session_id\":", result.session_id);
    append_string(out, ",\"message\":", result.message);
    if (!result.content.empty()) {
        out += ",\"content\":";
        append_blocks(out, result.content);
    }
    append_integer(out, ",\"conversation_length\":", result.conversation_length);
    append_string(out, ",\"timestamp\":", result.timestamp);
    append_string(out, ",\"turn_id\":", result.turn_id);
    append_string(out, ",\"state\":", sessions::to_string(result.state));
    append_string(out, ",\"model\":", result.model);
    out += ",\"usage\":";
    append_usage(out, result.usage);
    append_cost(out, result);
    append_stop_reason(out, result.stop_reason);
    append_integer(out, ",\"context\":{\"messages_sent\":", result.messages_sent);
    append_integer(out, ",\"messages_left_out\":", result.messages_left_out);
    append_integer(out, ",\"estimated_tokens\":", result.estimated_tokens);
    out += '}';
    if (!result.ignored.empty()) {
        std::string_view separator = ",\"ignored\":[";
        for (const std::string& name : result.ignored) {
            append_string(out, separator, name);
            separator = ",";
        }
        out += ']';
    }
    if (!result.continues.empty()) append_string(out, ",\"continues\":", result.continues);
    append_attempts(out, result.attempts);
    out += '}';
}

void append_turn_remains(std::string& out, const sessions::TurnResult& result) {
    const bool was_cut =
        result.state == sessions::TurnState::cancelled || result.state == sessions::TurnState::interrupted;
    if (was_cut || !result.message.empty()) append_string(out, ",\"partial\":", result.message);
    if (!result.attempts.empty()) append_attempts(out, result.attempts);
    if (!result.missed) return;
    std::string_view separator = ",\"missed\":[";
    if (result.missed->empty()) out += separator;
    for (const sessions::StoredMessage& message : *result.missed) {
        out += std::exchange(separator, ",");
        append_message(out, message);
    }
    out += ']';
}

void append_direct_answer(std::string& out, const sessions::DirectAnswer& answer) {
    append_string(out, "{\"text\":", answer.text);
    if (!answer.content.empty()) {
        out += ",\"content\":";
        append_blocks(out, answer.content);
    }
    append_stop_reason(out, answer.stop_reason);
    append_string(out, ",\"model\":", answer.model);
    out += ",\"usage\":";
    append_usage(out, answer.usage);
    append_cost(out, answer);
    append_attempts(out, answer.attempts);
    out += '}';
}

void append_turn_error(std::string& out, const sessions::TurnResult& result, std::string_view request_id) {
    std::string more;
    append_turn_remains(more, result);
    append_error(out, turn_error(result),
                 {.request_id = request_id, .session_id = result.session_id, .turn_id = result.turn_id, .more = more});
}

void append_turn(std::string& out, const sessions::TurnReader& reader, std::string_view request_id) {
    const auto result = reader.result();
    if (result && result->state == sessions::TurnState::completed) return append_answer(out, *result);
    append_string(out, "{\"session_id\":", reader.name().key.session_id);
    append_string(out, ",\"turn_id\":", reader.name().turn_id);
    const auto started = reader.started();
    append_string(out, ",\"state\":",
                  result    ? sessions::to_string(result->state)
                  : started ? std::string_view("running")
                            : std::string_view("queued"));
    append_string_or_null(out, ",\"model\":", started ? std::string_view(started->model) : std::string_view());
    if (started && !started->continues.empty()) append_string(out, ",\"continues\":", started->continues);
    append_string(out, ",\"message\":", result ? result->message : reader.log().text());
    if (result) {
        append_string_or_null(out, ",\"timestamp\":", result->timestamp);
        out += ",\"usage\":";
        append_usage(out, result->usage);
        out += ",\"error_details\":";
        append_turn_error(out, *result, request_id);
    }
    out += '}';
}

void append_message(std::string& out, const sessions::StoredMessage& message) {
    append_string(out, "{\"role\":", chat::to_string(message.role));
    append_string(out, ",\"content\":", message.content);
    append_string(out, ",\"timestamp\":", message.timestamp);
    append_string(out, ",\"created_at\":", message.created_at);
    append_string(out, ",\"turn_id\":", message.turn_id);
    append_string(out, ",\"state\":", sessions::to_string(message.state));
    if (message.role == chat::Role::assistant) {
        append_string_or_null(out, ",\"model\":", message.model);
        append_stop_reason(out, message.stop_reason);
        out += ",\"usage\":";
        if (message.usage)
            append_usage(out, *message.usage);
        else
            out += "null";
    }
    if (!message.blocks.empty()) {
        out += ",\"blocks\":";
        append_blocks(out, message.blocks);
    }
    if (!message.metadata.empty()) append_metadata(out, message.metadata);
    out += '}';
}

void append_history(std::string& out, const sessions::SessionService::History& history) {
    const auto& messages = history.page.messages;
    out += "{\"messages\":[";
    for (std::size_t i = 0; i < messages.size(); ++i) {
        if (i > 0) out += ',';
        append_message(out, messages[i]);
    }
    const bool more = history.page.more && !messages.empty();
    append_string_or_null(out, "],\"next\":", more ? std::string_view(messages.back().timestamp) : std::string_view());
    append_string_or_null(out, ",\"running\":", history.running);
    out += '}';
}

void append_sessions(std::string& out, const sessions::SessionPage& page) {
    out += "{\"sessions\":[";
    std::string_view separator = "{\"session_id\":";
    for (const sessions::SessionHeader& session : page.sessions) {
        append_string(out, separator, session.session_id);
        append_integer(out, ",\"message_count\":", session.message_count);
        append_string(out, ",\"last_activity\":", session.last_activity);
        append_string(out, ",\"first_words\":", session.first_words);
        out += '}';
        separator = ",{\"session_id\":";
    }
    append_string_or_null(out, "],\"next\":", page.next);
    out += '}';
}

}  // namespace tertulia::api
