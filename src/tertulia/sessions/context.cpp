#include "tertulia/sessions/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/models/model_limits.h"

namespace tertulia::sessions {
namespace {

// Roles, markers and separators that a provider puts around each message.
constexpr std::int64_t tokens_per_message = 4;

constexpr std::string_view cut_note = "\n\n[This answer was cut off before its end.]";

std::int64_t plain_tokens(const chat::Message& message) {
    std::int64_t tokens = tokens_per_message;
    for (const auto& block : message.content) {
        if (const auto* text = std::get_if<chat::Text>(&block))
            tokens += models::estimate_tokens(text->text);
        else if (const auto* thinking = std::get_if<chat::Thinking>(&block))
            tokens += models::estimate_tokens(thinking->text) + models::estimate_tokens(thinking->signature);
        else if (const auto* call = std::get_if<chat::ToolCall>(&block))
            tokens += models::estimate_tokens(call->name) + models::estimate_tokens(call->arguments);
        else if (const auto* native = std::get_if<chat::Native>(&block))
            tokens += models::estimate_tokens(native->json);
    }
    return tokens;
}

chat::Message as_shown(const StoredMessage& message) {
    chat::Message shown{.role = message.role, .content = {}};
    const bool whole = message.role == chat::Role::user || message.state == TurnState::completed;
    if (!whole) {
        shown.content = {chat::Text{message.content + std::string(cut_note)}};
    } else {
        // Tool calls are answered by tool results, which no client can send yet: without its result a call is refused
        // by every provider, so only what was said goes along.
        for (const auto& block : message.blocks)
            if (!std::holds_alternative<chat::ToolCall>(block)) shown.content.push_back(block);
        if (message.blocks.empty()) shown.content = {chat::Text{message.content}};
    }
    return shown;
}

}  // namespace

ContextBuilder::ContextBuilder(std::string_view system, chat::Message new_message, ContextBudget budget)
    : new_message_(std::move(new_message)),
      budget_(std::move(budget)),
      base_tokens_(plain_tokens(new_message_) +
                   (system.empty() ? 0 : models::estimate_tokens(system) + tokens_per_message)) {
    if (corrected(base_tokens_) >= budget_.tokens) wants_more_ = false;
}

void ContextBuilder::offer(const StoredMessage& message) {
    if (!wants_more_) return;
    if (!budget_.previous_from.empty() && message.timestamp < budget_.previous_from) {
        wants_more_ = false;
        return;
    }
    if (message.role == chat::Role::assistant) {
        pending_answer_ = message;
        return;
    }
    if (!pending_answer_) return;  // a question without its answer
    const StoredMessage answer = std::move(*pending_answer_);
    pending_answer_.reset();
    if (answer.content.empty()) return;  // nothing was said: the question goes too
    Turn turn{.question = as_shown(message), .answer = as_shown(answer), .tokens = 0, .from = message.timestamp};
    turn.tokens = plain_tokens(turn.question) + plain_tokens(turn.answer);
    take(std::move(turn));
}

void ContextBuilder::take(Turn turn) {
    if (corrected(base_tokens_ + turn_tokens_ + turn.tokens) > budget_.tokens) {
        overflowed_ = true;
        wants_more_ = false;
        return;
    }
    turn_tokens_ += turn.tokens;
    turns_.push_back(std::move(turn));
}

base::Result<Context> ContextBuilder::finish(std::int64_t total_messages) const {
    if (budget_.known && corrected(base_tokens_) > budget_.tokens)
        return base::fail(
            base::Errc::too_large,
            fmt::format(
                "The message and the system text are about {} tokens, but the model's context window leaves room "
                "for {}. Send less, or use a model with a larger window.",
                corrected(base_tokens_), budget_.tokens));
    // In one large step, so that the prefix then stays the same for many turns.
    std::size_t shown = turns_.size();
    std::int64_t tokens = turn_tokens_;
    if (overflowed_) {
        while (shown > 0 && corrected(base_tokens_ + tokens) > budget_.tokens * 2 / 3) tokens -= turns_[--shown].tokens;
    }
    Context context;
    for (std::size_t i = shown; i-- > 0;) {
        context.messages.push_back(turns_[i].question);
        context.messages.push_back(turns_[i].answer);
    }
    context.messages.push_back(new_message_);
    context.messages_sent = static_cast<std::int64_t>(context.messages.size());
    context.messages_left_out = std::max<std::int64_t>(0, total_messages - static_cast<std::int64_t>(shown) * 2);
    context.plain_tokens = base_tokens_ + tokens;
    context.estimated_tokens = corrected(context.plain_tokens);
    if (overflowed_)
        context.from = shown > 0 ? turns_[shown - 1].from : std::string();
    else
        context.from = budget_.previous_from;
    return context;
}

}  // namespace tertulia::sessions
