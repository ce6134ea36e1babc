#include "tertulia/sessions/turn_result.h"

#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {

base::Error error_of(TurnState state) {
    switch (state) {
        case TurnState::cancelled:
            return {.code = base::Errc::conflict, .message = "The turn was cancelled before its answer was whole."};
        case TurnState::interrupted:
            return {
                .code = base::Errc::unavailable,
                .message = "The server stopped before the answer was whole; continue it, or send the message again."};
        default:
            return {.code = base::Errc::internal, .message = "The turn failed; why is in the server's log."};
    }
}

base::Error too_much_at_once() {
    return {.code = base::Errc::unavailable,
            .message = "Too many answers are being given at once; try again in a moment.",
            .retry_after = std::chrono::milliseconds(1000)};
}

TurnResult stored_result(const TurnName& name, const StoredMessage& answer) {
    const TurnOutcome outcome = answer.outcome.value_or(TurnOutcome{});
    TurnResult result{.state = answer.state,
                      .session_id = name.key.session_id,
                      .turn_id = name.turn_id,
                      .model = answer.model,
                      .message = answer.content,
                      .content = shown_content(answer.blocks),
                      .conversation_length = outcome.conversation_length,
                      .timestamp = answer.timestamp,
                      .usage = answer.usage.value_or(chat::Usage{}),
                      .cost_nano = answer.cost_nano,
                      .price_version = outcome.price_version,
                      .stop_reason = answer.stop_reason,
                      .messages_sent = outcome.messages_sent,
                      .messages_left_out = outcome.messages_left_out,
                      .estimated_tokens = outcome.estimated_tokens,
                      .ignored = outcome.ignored,
                      .continues = outcome.continues,
                      .attempts = outcome.attempts,
                      .told = outcome.told,
                      .error = outcome.error,
                      .missed = {}};
    if (result.state != TurnState::completed && !result.error) result.error = error_of(result.state);
    return result;
}

telemetry::EndedTurn counted(const chat::Usage& usage, std::optional<std::int64_t> cost_nano) {
    return {.state = {},
            .provider = {},
            .input = usage.input,
            .cache_read = usage.cache_read,
            .cache_write = usage.cache_write + usage.cache_write_long,
            .output = usage.output,
            .reasoning = usage.reasoning,
            .cost_nano = cost_nano};
}

std::int64_t memory_of(const TurnResult& result) {
    std::size_t bytes = sizeof(TurnResult) + result.message.size() + chat::byte_size(result.content);
    for (const TurnAttempt& attempt : result.attempts) bytes += sizeof(TurnAttempt) + attempt.model.size();
    if (result.missed)
        for (const StoredMessage& message : *result.missed)
            bytes += sizeof(StoredMessage) + message.content.size() + chat::byte_size(message.blocks);
    return static_cast<std::int64_t>(bytes);
}

bool frees_its_key(const StoredMessage& answer) {
    return (answer.state == TurnState::failed || answer.state == TurnState::interrupted) && answer.content.empty();
}

}  // namespace tertulia::sessions
