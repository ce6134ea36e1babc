#include "tertulia/sessions/turn.h"

#include <algorithm>
#include <utility>

#include "tertulia/chat/message_builder.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {
namespace {

// A turn's own events beside those of its answer: usage, the end.
constexpr std::uint32_t last_events = 2;
double seconds(std::chrono::steady_clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

std::string provider_of(const std::string& model_name) {
    return model_name.substr(0, model_name.find('/'));
}

}  // namespace

Turn::Turn(const SessionService::Parts& parts, const SessionSettings& settings, TurnRequest request,
           std::optional<TakenUp> taken_up, std::shared_ptr<TurnClaim> claim, std::shared_ptr<TurnLog> log)
    : parts_(parts),
      settings_(settings),
      claim_(std::move(claim)),
      log_(std::move(log)),
      question_(parts_, settings_, *claim_, std::move(request), std::move(taken_up)),
      began_(parts_.clock.steady()),
      append_done_(async::Waiter::make(parts_.executor)) {}

async::Task<void> Turn::run(std::unique_ptr<Turn> turn) {
    std::optional<std::string> bug;
    try {
        if (co_await turn->is_prepared()) co_await turn->answer();
    } catch (const std::exception& exception) {
        bug = exception.what();
    }
    // Even a bug must not leave readers waiting, or the session's place taken.
    if (bug) co_await turn->end_after_bug(*bug);
    turn->parts_.registry.leave(*turn->claim_);
}

async::Task<bool> Turn::is_prepared() {
    const Problem problem = co_await prepare();
    if (!problem) co_return true;
    // Whatever else went wrong meanwhile: who was asked to end ends as that.
    if (claim_->stop.stop_requested())
        end_with(claim_->stop_as, error_of(claim_->stop_as));
    else
        end_with(TurnState::failed, *problem);
    co_return false;
}

async::Task<void> Turn::end_after_bug(std::string what) {
    parts_.log.error("bug in a turn", {{"session", claim_->key.session_id}, {"turn", claim_->turn_id}, {"what", what}});
    if (append_begun_) co_await message_is_durable();  // the append refers to this turn
    if (log_->result()) co_return;
    // What is kept of it becomes the interrupted answer, which gets an end of its own.
    co_await parts_.checkpoints.leave(log_, parts_.executor);
    end_with(TurnState::failed,
             {.code = base::Errc::internal, .message = "The server made a mistake; it is in its log."});
}

// -- before the message is stored ------------------------------------------------------------------------------------

async::Task<Turn::Problem> Turn::prepare() {
    if (auto problem = co_await wait_for_place()) co_return problem;
    count_as_running();
    deadline_ = base::Deadline(now() + settings_.turn_limit);
    if (auto problem = co_await question_.prepare(deadline_)) co_return problem;
    auto reserved = co_await parts_.spending.reserve(claim_->key, question_.spent_nano(), question_.model().name,
                                                     question_.context().estimated_tokens, question_.max_tokens());
    if (!reserved) co_return std::move(reserved.error());
    reservation_ = std::move(*reserved);
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::wait_for_place() {
    const base::Deadline queue_deadline(now() + settings_.queue_limit);
    if (!parts_.registry.is_first(*claim_)) log_->queue();
    while (!parts_.registry.is_first(*claim_)) {
        if (claim_->stop.stop_requested()) co_return error_of(claim_->stop_as);
        if (queue_deadline.passed(now()))
            co_return base::Error{.code = base::Errc::conflict,
                                  .message = "Another answer of this session is still being given; send again later.",
                                  .retry_after = base::Milliseconds(1000)};
        co_await claim_->waiter->wait(queue_deadline);
    }
    if (claim_->stop.stop_requested()) co_return error_of(claim_->stop_as);
    co_return std::nullopt;
}

// -- the answer ------------------------------------------------------------------------------------------------------

async::Task<void> Turn::answer() {
    // The store's latency hides behind the model's; nothing is published before the message is durable.
    async::Task<void> append = append_message(question_.take_start(log_->next_number()));
    append_begun_ = true;
    parts_.tasks.spawn(std::move(append));
    co_await ask_model();
    if (!co_await message_is_durable())
        end_with(TurnState::failed, appended_->error());
    else
        co_await store_answer();
}

async::Task<void> Turn::ask_model() {
    do co_await call_model();
    while (!outcome_ && (!appended_ || *appended_) && question_.changes_after(outcome_.error().kind));
}

async::Task<void> Turn::append_message(TurnStart start) {
    const base::SteadyTime begin = now();
    try {
        appended_ = co_await parts_.store.begin_turn(std::move(start));
    } catch (const std::exception& exception) {
        // The turn waits for this outcome, whatever it is.
        parts_.log.error("bug in the store", {{"turn", claim_->turn_id}, {"what", exception.what()}});
        appended_ = base::fail(base::Errc::internal, "The server made a mistake; it is in its log.");
    }
    parts_.metrics.store("begin_turn", seconds(now() - begin), !appended_->has_value());
    if (*appended_) publish_start();
    append_done_->wake();
}

void Turn::publish_start() {
    log_->start({.model = question_.model().name,
                 .continues = question_.continues(),
                 .prompt_tokens = question_.context().estimated_tokens},
                std::string(question_.model().provider->kind()));
    if (const StoredMessage* before = question_.before()) log_->replace_text(before->content);
    parts_.logs.started(log_);
}

async::Task<bool> Turn::message_is_durable() {
    while (!appended_) co_await append_done_->wait(base::Deadline::never());
    co_return appended_->has_value();
}

async::Task<void> Turn::call_model() {
    const base::SteadyTime begin = now();
    base::Deadline deadline = deadline_.earlier(base::Deadline(begin + question_.model().deadlines.first_token));
    const std::unique_ptr<models::AnswerStream> stream = opened(co_await open_stream(deadline));
    if (!stream || !co_await message_is_durable()) co_return;
    chat::AnswerEvents steps;
    bool first = true;
    while (outcome_ && !steps.finish) {
        came(co_await stream->next(steps, deadline));
        if (first && steps.has_progress()) {
            first_token_came(seconds(now() - begin));
            first = false;
        }
        // A number that somebody has seen is never used again, not even after a crash.
        if (!needs_numbers(steps) || were_reserved(co_await parts_.checkpoints.reserve(log_))) publish(steps);
        deadline = deadline_.earlier(base::Deadline(now() + question_.model().deadlines.between_tokens));
    }
}

async::Task<Turn::Opened> Turn::open_stream(base::Deadline deadline) {
    const models::ModelRequest request = question_.model_request();
    co_return co_await question_.model().provider->open(request, claim_->stop.get_token(), deadline);
}

std::unique_ptr<models::AnswerStream> Turn::opened(Opened&& stream) {
    outcome_ = models::Attempt<void>();
    if (stream) return std::move(*stream);
    outcome_ = std::unexpected(std::move(stream.error()));
    return nullptr;
}

void Turn::came(models::Attempt<void>&& read) {
    if (!read) outcome_ = std::move(read);
}

void Turn::first_token_came(double after_seconds) {
    parts_.metrics.first_token(provider_of(question_.model().name), after_seconds);
    question_.forget();
}

bool Turn::needs_numbers(const chat::AnswerEvents& steps) const {
    return !steps.events().empty() &&
           log_->record().last_number() + steps.events().size() + last_events > log_->reserved();
}

bool Turn::were_reserved(base::Result<void>&& reserved) {
    if (!reserved)
        outcome_ = std::unexpected(models::Failure{models::FailureKind::broken, std::move(reserved.error())});
    return reserved.has_value();
}

void Turn::publish(const chat::AnswerEvents& steps) {
    if (steps.usage) usage_ = steps.usage;
    if (steps.finish) stop_reason_ = steps.finish;
    if (steps.events().empty()) return;
    log_->append(steps);
    parts_.checkpoints.changed(log_);
    if (log_->bytes().size() > settings_.answer_bytes)
        outcome_ = std::unexpected(models::Failure{
            models::FailureKind::broken,
            {.code = base::Errc::upstream_unavailable, .message = "The answer is longer than limits.answer_bytes."}});
}

async::Task<void> Turn::store_answer() {
    const models::Attempt<void>& outcome = outcome_;
    chat::Answer answer =
        fold_answer(log_->record().bytes(), log_->bytes(), question_.model().provider->kind(), question_.before());
    const bool was_stopped = !outcome && outcome.error().kind == models::FailureKind::stopped;
    const TurnState state = outcome ? TurnState::completed : was_stopped ? claim_->stop_as : TurnState::failed;

    TurnResult ended = result(state);
    ended.message = chat::text_of(answer.blocks);
    ended.content = shown_content(answer.blocks);
    ended.usage = usage_of(answer, state);
    ended.messages_sent = question_.context().messages_sent;
    ended.messages_left_out = question_.context().messages_left_out;
    ended.estimated_tokens = question_.context().estimated_tokens;
    ended.ignored = question_.ignored();
    ended.conversation_length = **appended_ + (question_.taken_up() ? 0 : 1);
    if (outcome)
        ended.stop_reason = chat::effective_stop_reason(*stop_reason_, answer);
    else
        ended.error = was_stopped ? error_of(claim_->stop_as) : outcome.error().error;
    std::vector<billing::Bill> bills;
    // What ended before its first content is not billed.
    if (outcome || ended.usage.completion() > 0)
        bills.push_back(parts_.spending.settle(std::move(reservation_), {.model = ended.model, .usage = ended.usage}));
    const billing::BillTotal total = billing::add_up(bills);
    ended.cost_nano = total.cost_nano;
    ended.price_version = total.price_version;
    const std::int64_t now_us = parts_.clock.wall_us();
    ended.timestamp = question_.answer_place(now_us);

    co_await parts_.checkpoints.leave(log_, parts_.executor);
    const base::SteadyTime begin = now();
    const auto stored =
        co_await parts_.store.end_turn({.key = claim_->key,
                                        .message = answer_record(ended, now_us, std::move(answer.blocks)),
                                        .bills = std::move(bills)});
    parts_.metrics.store("end_turn", seconds(now() - begin), !stored.has_value());
    if (!stored) {
        // The answer cannot be kept, so it is not shown as complete.
        ended.state = TurnState::failed;
        ended.error = stored.error().code == base::Errc::not_found
                          ? base::Error{.code = base::Errc::conflict,
                                        .message = "The session was deleted while this answer was being given."}
                          : stored.error();
        parts_.log.error(
            "answer not stored",
            {{"session", claim_->key.session_id}, {"turn", claim_->turn_id}, {"reason", stored.error().message}});
    }
    if (outcome && !ended.usage.input_estimated)
        parts_.limits.learn(question_.model().name, question_.context().plain_tokens, ended.usage.prompt());
    end(std::move(ended), true);
}

StoredMessage Turn::answer_record(const TurnResult& ended, std::int64_t now_us,
                                  std::vector<chat::ContentBlock> blocks) const {
    // The numbers that finish() will give to the turn's last two events.
    EventRecord events = shown_events(log_->record().bytes());
    events.add({.kind = EventKind::usage, .number = log_->next_number()});
    events.add({.kind = EventKind::ended, .number = log_->next_number() + 1});
    const bool plain = blocks.empty() || chat::is_plain_text(blocks);
    StoredMessage message;
    message.role = chat::Role::assistant;
    message.content = ended.message;
    if (!plain) message.blocks = std::move(blocks);
    message.timestamp = ended.timestamp;
    message.created_at = base::format_timestamp(now_us);
    message.turn_id = claim_->turn_id;
    message.state = ended.state;
    message.model = question_.model().name;
    message.stop_reason = ended.stop_reason;
    message.usage = ended.usage;
    message.cost_nano = ended.cost_nano;
    message.events = std::move(events).take();
    message.outcome = TurnOutcome{.conversation_length = ended.conversation_length,
                                  .messages_sent = ended.messages_sent,
                                  .messages_left_out = ended.messages_left_out,
                                  .estimated_tokens = ended.estimated_tokens,
                                  .ignored = ended.ignored,
                                  .price_version = ended.price_version,
                                  .error = ended.error,
                                  .continues = ended.continues};
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
    result.session_id = claim_->key.session_id;
    result.turn_id = claim_->turn_id;
    result.model = question_.model().name;
    result.continues = question_.continues();
    return result;
}

chat::Usage Turn::usage_of(const chat::Answer& answer, TurnState state) const {
    chat::Usage usage =
        usage_.value_or(chat::Usage{.input = question_.context().estimated_tokens, .input_estimated = true});
    const bool output_known = usage_ && state == TurnState::completed;
    if (!output_known) {
        // Of an answer that was cut off the provider has told its input at most.
        std::int64_t output = 0;
        for (const auto& block : answer.blocks) {
            if (const auto* text = std::get_if<chat::Text>(&block)) output += models::estimate_tokens(text->text);
            if (const auto* thinking = std::get_if<chat::Thinking>(&block))
                usage.reasoning = std::max(usage.reasoning, models::estimate_tokens(thinking->text));
        }
        if (question_.before()) output -= models::estimate_tokens(question_.before()->content);
        usage.output = std::max(usage.output, output);
        usage.output_estimated = true;
    }
    return usage;
}

void Turn::count_as_running() {
    if (!std::exchange(is_counted_, true)) parts_.metrics.turn_began();
}

void Turn::end(TurnResult ended, bool with_usage) {
    count_as_running();  // also one that has only waited comes to an end
    const double time = seconds(now() - began_);
    const std::string provider = question_.model().name.empty() ? "none" : provider_of(question_.model().name);
    const bool failed = ended.error.has_value();
    const std::string_view state = log_->has_started() ? to_string(ended.state) : std::string_view("refused");
    parts_.metrics.turn_ended(state, provider, time);
    parts_.metrics.tokens(provider, "input", ended.usage.input);
    parts_.metrics.tokens(provider, "cache_read", ended.usage.cache_read);
    parts_.metrics.tokens(provider, "cache_write", ended.usage.cache_write + ended.usage.cache_write_long);
    parts_.metrics.tokens(provider, "output", ended.usage.output);
    parts_.metrics.tokens(provider, "reasoning", ended.usage.reasoning);
    if (parts_.log.enabled(failed ? telemetry::Level::warn : telemetry::Level::info))
        parts_.log.write(failed ? telemetry::Level::warn : telemetry::Level::info, "turn ended",
                         {{"request_id", question_.request().request_id},
                          {"session", ended.session_id},
                          {"turn", ended.turn_id},
                          {"model", ended.model},
                          {"state", state},
                          {"code", failed ? base::to_string(ended.error->code) : std::string_view()},
                          {"input_tokens", ended.usage.prompt()},
                          {"output_tokens", ended.usage.output + ended.usage.reasoning},
                          {"seconds", time}});
    log_->finish(std::move(ended), with_usage);
    parts_.logs.ended(log_);
    if (!question_.request().once.key.empty())
        parts_.keys.release(question_.request().owner, question_.request().once.key, claim_->turn_id);
}

}  // namespace tertulia::sessions
