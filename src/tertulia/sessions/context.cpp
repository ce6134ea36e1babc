#include "tertulia/sessions/context.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/chat/content.h"
#include "tertulia/chat/repair.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {
namespace {

constexpr std::string_view cut_note = "\n\n[This answer was cut off before its end.]";

chat::Message as_shown(const StoredMessage& message) {
    chat::Message shown{.role = message.role, .content = {}};
    const bool whole = message.role == chat::Role::user || message.state == TurnState::completed;
    if (whole)
        shown.content = blocks_of(message);
    else
        shown.content = {chat::Text{message.content + std::string(cut_note)}};
    return shown;
}

bool says_anything(const StoredMessage& answer) {
    if (!chat::is_blank(answer.content)) return true;
    return answer.state == TurnState::completed && std::ranges::any_of(answer.blocks, [](const auto& block) {
               return std::holds_alternative<chat::ToolCall>(block);
           });
}

}  // namespace

ContextBuilder::ContextBuilder(std::string_view system, chat::Message new_message, ContextBudget budget)
    : new_message_(std::move(new_message)), budget_(std::move(budget)), base_(size_of(new_message_)) {
    if (!system.empty()) base_ += size_of({.role = chat::Role::user, .content = {chat::Text{std::string(system)}}});
    base_.text_tokens += budget_.tools_tokens;
    if (corrected(base_.tokens()) >= budget_.tokens) wants_more_ = false;
}

// Would these turns fit into so much, beside what always goes?
bool ContextBuilder::fits(const MessageSize& turns, std::int64_t tokens, std::int64_t bytes) const {
    return corrected(base_.tokens() + turns.tokens()) <= tokens && base_.bytes + turns.bytes <= bytes;
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
    if (!says_anything(answer)) return;  // the question goes too
    Turn turn{.question = as_shown(message), .answer = as_shown(answer), .size = {}, .from = message.timestamp};
    turn.size = size_of(turn.question);
    turn.size += size_of(turn.answer);
    take(std::move(turn));
}

void ContextBuilder::take(Turn turn) {
    MessageSize with_it = all_turns_;
    with_it += turn.size;
    if (!fits(with_it, budget_.tokens, budget_.bytes)) {
        overflowed_ = true;
        wants_more_ = false;
        return;
    }
    all_turns_ = with_it;
    turns_.push_back(std::move(turn));
}

base::Result<Context> ContextBuilder::finish(std::int64_t total_messages) {
    if (budget_.known_room && corrected(base_.text_tokens) > *budget_.known_room)
        return base::fail(
            base::Errc::too_large,
            fmt::format(
                "The message and the system text are about {} tokens, but the model's context window leaves room "
                "for {}. Send less, or use a model with a larger window.",
                corrected(base_.text_tokens), *budget_.known_room));
    // In one large step, so that the prefix then stays the same for many turns.
    std::size_t shown = turns_.size();
    MessageSize size = all_turns_;
    if (overflowed_) {
        while (shown > 0 && !fits(size, budget_.tokens * 2 / 3, budget_.bytes * 2 / 3)) size -= turns_[--shown].size;
    }
    Context context;
    for (std::size_t i = shown; i-- > 0;) {
        context.messages.push_back(std::move(turns_[i].question));
        context.messages.push_back(std::move(turns_[i].answer));
    }
    context.messages.push_back(std::move(new_message_));
    context.messages_sent = static_cast<std::int64_t>(context.messages.size());
    chat::repair_history(context.messages);
    context.messages_left_out = std::max<std::int64_t>(0, total_messages - static_cast<std::int64_t>(shown) * 2);
    size += base_;
    context.plain_tokens = size.media_tokens > 0 ? 0 : size.tokens();
    context.estimated_tokens = corrected(size.tokens());
    if (overflowed_)
        context.from = shown > 0 ? turns_[shown - 1].from : std::string();
    else
        context.from = budget_.previous_from;
    return context;
}

}  // namespace tertulia::sessions
