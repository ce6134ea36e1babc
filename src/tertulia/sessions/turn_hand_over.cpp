// How a turn goes on in another process.
#include <utility>

#include "tertulia/sessions/turn.h"

namespace tertulia::sessions {
namespace {

// Whose blocks come next after these events.
std::string last_maker(std::string_view record, std::string_view bytes, std::string maker) {
    EventEntry entry;
    std::size_t at = 0;
    for (EventCursor cursor; cursor.next(record, entry); at += std::size_t(entry.text_size) + entry.extra_size)
        if (entry.kind == EventKind::maker) maker = bytes.substr(at, entry.text_size);
    return maker;
}

bool has_content(std::string_view record) {
    EventEntry entry;
    for (EventCursor cursor; cursor.next(record, entry);)
        if (entry.kind == EventKind::text || entry.kind == EventKind::refusal || entry.kind == EventKind::thinking ||
            entry.kind == EventKind::tool_call)
            return true;
    return false;
}

}  // namespace

// Leaves the rest to another process, with all that there is. False: the store could not keep that.
async::Task<bool> Turn::hand_over() {
    co_await parts_.checkpoints.leave(log_, parts_.executor);
    TurnResult left = result(TurnState::running);
    if (call_) bills_.settle_all(*call_);
    if (bills_.limits(claim_->key())) co_await bills_.close(log_->name());
    if (bills_.has_unnoted()) log_->note(bills_.take_unnoted());
    std::uint32_t reserved = 0;
    std::vector<TurnCheckpoint> pieces{log_->take_checkpoint(0, true, reserved)};
    pieces.push_back({.turn = pieces.front().turn, .data = TurnRemains::piece(left.attempts)});
    auto handed = co_await parts_.store.checkpoint(std::move(pieces));
    if (handed) handed = co_await parts_.store.hand_over(log_->name());
    if (!handed) {
        parts_.log.warn("a turn could not be handed over",
                        {{"turn", claim_->turn_id()}, {"reason", handed.error().message}});
        co_return false;
    }
    // Who asked for its end meanwhile asks whoever takes it over.
    if (claim_->stop_as == TurnState::cancelled) co_await parts_.store.ask_to_stop(log_->name(), TurnState::cancelled);
    tell_end(left);
    log_->leave(std::move(left));
    parts_.logs.left(log_);
    give_key_up();
    co_return true;
}

// What another process has begun.
async::Task<Turn::Problem> Turn::take_over() {
    auto handed = co_await parts_.store.take_over(question_.opening());
    if (!handed) co_return std::move(handed.error());
    is_open_ = true;
    TurnRemains remains;
    for (const std::string& piece : handed->pieces) remains.add(piece);
    const std::uint32_t first_number = handed->first_number;
    messages_ = handed->session.header.message_count;
    question_.take(std::move(*handed));
    log_->resume(remains,
                 {.model = remains.model, .continues = question_.continues(), .prompt_tokens = remains.prompt_tokens},
                 first_number);
    earlier_ = std::make_unique<Earlier>(Earlier{
        .maker = std::move(remains.maker), .model = std::move(remains.model), .attempts = std::move(remains.attempts)});
    bills_.take_noted(log_->record().bytes(), log_->bytes());
    earlier_->last_maker = last_maker(log_->record().bytes(), log_->bytes(), earlier_->maker);
    first_maker_ = earlier_->maker;
    maker_ = earlier_->last_maker;
    earlier_->is_content_open = has_content(log_->record().bytes());
    take_given();
    announce();
    if (claim_->stop.stop_requested()) co_return why_stopped();
    co_return std::nullopt;
}

}  // namespace tertulia::sessions
