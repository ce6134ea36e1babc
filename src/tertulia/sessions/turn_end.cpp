// How a turn ends.
#include <utility>

#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn.h"

namespace tertulia::sessions {
namespace {

double seconds(std::chrono::steady_clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

std::string provider_of(const std::string& model_name) {
    return model_name.substr(0, model_name.find('/'));
}

}  // namespace

async::Task<void> Turn::finish(models::Attempt<chat::StopReason> outcome) {
    const bool was_stopped = !outcome && outcome.error().kind == models::FailureKind::stopped;
    if (was_stopped && claim_->stop_as == TurnState::running && co_await hand_over()) co_return;
    co_await store_answer(std::move(outcome));
}

async::Task<void> Turn::store_answer(models::Attempt<chat::StopReason> outcome) {
    chat::Answer answer = answer_so_far();
    const bool was_stopped = !outcome && outcome.error().kind == models::FailureKind::stopped;
    const TurnState state = outcome ? TurnState::completed : was_stopped ? stopped_as() : TurnState::failed;

    TurnResult ended = result(state);
    if (call_) bills_.settle_all(*call_);
    billing::BillTotal total = bills_.total();
    ended.message = chat::text_of(answer.blocks);
    ended.content = shown_content(answer.blocks);
    ended.usage = total.usage;
    ended.cost_nano = total.cost_nano;
    ended.price_version = std::move(total.price_version);
    ended.messages_sent = question_.context().messages_sent;
    ended.messages_left_out = question_.context().messages_left_out;
    ended.estimated_tokens = question_.context().estimated_tokens;
    ended.ignored = question_.ignored();
    ended.conversation_length = *messages_ + (question_.taken_up() ? 0 : 1);
    if (outcome)
        ended.stop_reason = chat::effective_stop_reason(*outcome, answer);
    else
        ended.error = was_stopped ? why_stopped() : outcome.error().error;
    const std::int64_t now_us = parts_.clock.wall_us();
    ended.timestamp = question_.answer_place(now_us);

    co_await parts_.checkpoints.leave(log_, parts_.executor);
    const base::SteadyTime begin = now();
    const auto stored =
        co_await parts_.store.end_turn({.key = claim_->key(),
                                        .message = answer_record(ended, now_us, std::move(answer.blocks)),
                                        .bills = bills_.take()});
    parts_.metrics.store("end_turn", seconds(now() - begin), !stored.has_value());
    if (!stored) {
        // The answer cannot be kept, so it is not shown as complete.
        const bool is_lost = stored.error().code == base::Errc::not_found;
        ended.state = TurnState::failed;
        ended.error = is_lost ? base::Error{.code = base::Errc::conflict,
                                            .message = "The session was deleted while this answer was being given."}
                              : stored.error();
        if (is_lost && parts_.store.is_shared()) {
            // Another process has the session now, and has closed the turn.
            ended.state = was_stopped ? state : TurnState::interrupted;
            ended.error = error_of(ended.state);
        }
        parts_.log.error(
            "answer not stored",
            {{"session", claim_->key().session_id}, {"turn", claim_->turn_id()}, {"reason", stored.error().message}});
    }
    if (bills_.limits(claim_->key())) co_await bills_.close(log_->name());
    if (outcome && call_->attempts().size() == 1 && !earlier_ && !question_.before() && !ended.usage.input_estimated)
        parts_.limits.learn(ended.model, question_.context().plain_tokens, ended.usage.prompt());
    end(std::move(ended), true);
}

StoredMessage Turn::answer_record(const TurnResult& ended, std::int64_t now_us,
                                  std::vector<chat::ContentBlock> blocks) const {
    // The numbers that finish() will give to the turn's last two events.
    EventRecord events = shown_events(log_->record().bytes());
    events.add({.kind = EventKind::usage, .number = log_->next_number()});
    events.add({.kind = EventKind::ended, .number = log_->next_number() + 1});
    const bool plain = blocks.empty() || chat::is_plain_text(blocks);
    const bool may_be_rerouted = earlier_ || call_->attempts().size() > 1;
    StoredMessage message;
    message.role = chat::Role::assistant;
    message.content = ended.message;
    if (!plain) message.blocks = std::move(blocks);
    message.timestamp = ended.timestamp;
    message.created_at = base::format_timestamp(now_us);
    message.turn_id = claim_->turn_id();
    message.state = ended.state;
    message.model = ended.model;
    message.stop_reason = ended.stop_reason;
    message.usage = ended.usage;
    message.usage->cache_write += std::exchange(message.usage->cache_write_long, 0);
    message.cost_nano = ended.cost_nano;
    message.events = std::move(events).take();
    message.outcome = TurnOutcome{
        .conversation_length = ended.conversation_length,
        .messages_sent = ended.messages_sent,
        .messages_left_out = ended.messages_left_out,
        .estimated_tokens = ended.estimated_tokens,
        .ignored = ended.ignored,
        .price_version = ended.price_version,
        .error = ended.error,
        .continues = ended.continues,
        .attempts = ended.attempts,
        .reroutes = may_be_rerouted ? reroutes_of(log_->record().bytes(), log_->bytes()) : std::vector<Rerouted>(),
        .told = ended.told};
    return message;
}

// -- the end ---------------------------------------------------------------------------------------------------------

// Before the message is stored, or without an answer.
void Turn::end_with(TurnState state, const base::Error& error) {
    TurnResult failed = result(state);
    failed.error = error;
    failed.missed = question_.take_missed();
    end(std::move(failed), false);
}

TurnResult Turn::result(TurnState state) const {
    TurnResult result;
    result.state = state;
    result.session_id = claim_->key().session_id;
    result.turn_id = claim_->turn_id();
    result.continues = question_.continues();
    if (parts_.audience) result.told = parts_.audience->told_already(question_.request_id());
    if (earlier_) {
        result.model = earlier_->model;
        result.attempts = earlier_->attempts;
    }
    if (!call_) return result;
    result.model = call_->answering().name;
    for (const models::AttemptRecord& attempt : call_->attempts())
        result.attempts.push_back({.model = call_->targets()[attempt.target].name,
                                   .outcome = std::string(attempt.outcome()),
                                   .ms = attempt.time.count(),
                                   .tokens = attempt.had_content ? attempt.usage().completion() : 0});
    return result;
}

void Turn::count_as_running() {
    if (!std::exchange(is_counted_, true)) parts_.metrics.turn_began();
}

void Turn::end(TurnResult ended, bool with_usage) {
    tell_end(ended);
    log_->finish(std::move(ended), with_usage);
    parts_.logs.ended(log_);
    give_key_up();
}

void Turn::give_key_up() {
    if (!question_.once_key().empty())
        parts_.keys.release(claim_->key().owner, question_.once_key(), claim_->turn_id());
}

void Turn::tell_end(const TurnResult& ended) {
    count_as_running();  // also one that has only waited comes to an end
    const double time = seconds(now() - began_);
    const std::string provider = ended.model.empty() ? "none" : provider_of(ended.model);
    const bool failed = ended.error.has_value();
    const std::string_view state = !log_->has_started()                ? "refused"
                                   : ended.state == TurnState::running ? "handed_over"
                                                                       : to_string(ended.state);
    const std::string_view code = failed ? base::to_string(ended.error->code) : std::string_view();
    telemetry::EndedTurn told = counted(ended.usage, ended.cost_nano);
    told.state = state;
    told.provider = provider;
    told.model = ended.model;
    told.seconds = time;
    told.first_token_seconds = first_token_;
    told.code = code;
    told.session_id = ended.session_id;
    told.turn_id = ended.turn_id;
    told.request_id = question_.request_id();
    parts_.metrics.turn_ended(told);
    if (parts_.log.enabled(failed ? telemetry::Level::warn : telemetry::Level::info))
        parts_.log.write(failed ? telemetry::Level::warn : telemetry::Level::info, "turn ended",
                         {{"request_id", question_.request_id()},
                          {"session", ended.session_id},
                          {"turn", ended.turn_id},
                          {"provider", provider},
                          {"model", ended.model},
                          {"state", state},
                          {"code", code},
                          {"input_tokens", ended.usage.input},
                          {"cache_read_tokens", ended.usage.cache_read},
                          {"cache_write_tokens", ended.usage.cache_write + ended.usage.cache_write_long},
                          {"output_tokens", ended.usage.output},
                          {"reasoning_tokens", ended.usage.reasoning},
                          {"seconds", time}});
}

}  // namespace tertulia::sessions
