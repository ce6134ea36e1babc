#include "tertulia/sessions/turn.h"

#include <algorithm>

#include "tertulia/chat/message_builder.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {
namespace {

// The first look at a session: its header and enough history for most windows' first half.
constexpr std::int64_t first_page_messages = 64, first_page_bytes = 64 << 10;
constexpr std::int64_t next_page_messages = 500, next_page_bytes = 1 << 20;
// The most messages that a refused client is told it has missed; for more it reads the history.
constexpr std::int64_t most_missed = 200;
constexpr std::size_t most_missed_bytes = 1 << 20;
// A turn's own events beside those of its answer: usage, the end.
constexpr std::uint32_t last_events = 2;
// What a model is told that takes no beginning of its answer.
constexpr std::string_view continue_instruction =
    "Your last answer was cut off. Go on exactly where it ends, in the middle of the sentence if need be. Repeat "
    "nothing "
    "of it, and say nothing about this.";

double seconds(std::chrono::steady_clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

std::string provider_of(const std::string& model_name) {
    return model_name.substr(0, model_name.find('/'));
}

base::Error stopped_error(TurnState as) {
    return as == TurnState::interrupted
               ? base::Error{.code = base::Errc::unavailable,
                             .message =
                                 "The server was stopped during this answer; continue it, or send the message "
                                 "again."}
               : base::Error{.code = base::Errc::conflict, .message = "The turn was cancelled."};
}

}  // namespace

Turn::Turn(const SessionService::Parts& parts, const SessionSettings& settings, TurnRequest request,
           std::optional<TakenUp> taken_up, std::shared_ptr<TurnClaim> claim, std::shared_ptr<TurnLog> log)
    : parts_(parts),
      settings_(settings),
      request_(std::move(request)),
      taken_up_(std::move(taken_up)),
      claim_(std::move(claim)),
      log_(std::move(log)),
      began_(parts_.clock.steady()),
      append_done_(async::Waiter::make(parts_.executor)) {}

async::Task<void> Turn::run(std::unique_ptr<Turn> turn) {
    turn->parts_.metrics.turn_began();
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
        end_with(claim_->stop_as, stopped_error(claim_->stop_as));
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
    deadline_ = base::Deadline(now() + settings_.turn_limit);
    if (auto problem = co_await read_session()) co_return problem;
    if (auto problem = co_await check_parent()) co_return problem;
    if (auto problem = take_up_answer()) co_return problem;
    if (auto problem = choose_model()) co_return problem;
    if (auto problem = co_await wait_for_model()) co_return problem;
    co_return co_await choose_context();
}

async::Task<Turn::Problem> Turn::wait_for_place() {
    const base::Deadline queue_deadline(now() + settings_.queue_limit);
    if (!parts_.registry.is_first(*claim_)) log_->queue();
    while (!parts_.registry.is_first(*claim_)) {
        if (claim_->stop.stop_requested()) co_return stopped_error(claim_->stop_as);
        if (queue_deadline.passed(now()))
            co_return base::Error{.code = base::Errc::conflict,
                                  .message = "Another answer of this session is still being given; send again later.",
                                  .retry_after = base::Milliseconds(1000)};
        co_await claim_->waiter->wait(queue_deadline);
    }
    if (claim_->stop.stop_requested()) co_return stopped_error(claim_->stop_as);
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::read_session() {
    if (is_new()) co_return std::nullopt;  // an id of our own making: nobody can have stored anything under it
    auto opened = co_await parts_.store.open(claim_->key, first_page_messages, first_page_bytes);
    if (!opened) co_return opened.error();
    if (*opened) {
        asking_->header = std::move((*opened)->header);
        asking_->history = std::move((*opened)->newest);
        asking_->more_history = (*opened)->more;
    }
    std::vector<StoredMessage>& history = asking_->history;
    if (taken_up_ && history.size() == 1 && asking_->more_history) {
        // An answer so long that its question did not come with it.
        auto question = co_await parts_.store.older(claim_->key, history.back().timestamp, 1, 1);
        if (!question) co_return question.error();
        std::ranges::move(*question, std::back_inserter(history));
    }
    if (!history.empty()) asking_->history_end = history.back().timestamp;
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::check_parent() {
    if (request_.parent.empty() || request_.parent == asking_->header.last_timestamp) co_return std::nullopt;
    auto page =
        co_await parts_.store.messages(claim_->key, {.limit = most_missed, .after = request_.parent, .before = {}});
    if (!page) co_return page.error();
    missed_ = *page ? std::move((*page)->messages) : std::vector<StoredMessage>();
    std::size_t bytes = 0;
    std::erase_if(*missed_, [&bytes](const StoredMessage& message) {
        const bool is_too_much = bytes > most_missed_bytes;
        bytes += message.content.size();
        return is_too_much;
    });
    co_return base::Error{.code = base::Errc::conflict,
                          .message = "The session has moved on since 'parent'; read what was missed, and send again."};
}

Turn::Problem Turn::take_up_answer() {
    if (!taken_up_) return std::nullopt;
    const bool is_newest =
        asking_->history.size() >= 2 && asking_->history[0].role == chat::Role::assistant &&
        asking_->history[0].timestamp == taken_up_->place && asking_->history[0].turn_id == taken_up_->turn_id &&
        asking_->history[0].state != TurnState::completed && asking_->history[1].role == chat::Role::user;
    if (!is_newest) {
        if (taken_up_->how == TakenUp::How::continuing)
            return base::Error{.code = base::Errc::conflict,
                               .message = "The session has moved on: this answer can no longer be continued."};
        taken_up_.reset();
        return std::nullopt;
    }
    before_ = std::make_unique<StoredMessage>(std::move(asking_->history[0]));
    request_.message = std::move(asking_->history[1].content);
    asking_->history.erase(asking_->history.begin(), asking_->history.begin() + 2);
    asking_->header.message_count -= 2;
    return std::nullopt;
}

Turn::Problem Turn::choose_model() {
    if (request_.model) asking_->header.model = *request_.model;
    if (request_.system) asking_->header.system = *request_.system;
    auto model = parts_.models.resolve(asking_->header.model.empty() ? settings_.default_model : asking_->header.model);
    if (!model) return model.error();
    model_ = std::move(*model);
    use_prefill_ = continues() && model_.provider->takes_prefill(model_.model);
    return std::nullopt;
}

async::Task<Turn::Problem> Turn::wait_for_model() {
    while (model_.readiness && model_.readiness->notify(claim_->waiter)) {
        if (claim_->stop.stop_requested()) co_return stopped_error(claim_->stop_as);
        if (deadline_.passed(now()))
            co_return base::Error{.code = base::Errc::unavailable,
                                  .message = "The model is still being loaded; try again in a moment.",
                                  .retry_after = base::Milliseconds(5000)};
        co_await claim_->waiter->wait(deadline_);
    }
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::choose_context() {
    const models::Limits limits = parts_.limits.limits(model_.name, model_.model);
    max_tokens_ = request_.max_tokens.value_or(settings_.max_tokens);
    // A wish for a long answer must not crowd out the conversation in a small window.
    const std::int64_t room = std::min(max_tokens_, limits.context_window / 2);
    asking_->budget = {
        .tokens = limits.context_window - room,
        .known = limits.known,
        .correct = [&all = parts_.limits, name = model_.name](std::int64_t plain) { return all.estimate(name, plain); },
        .previous_from =
            asking_->header.context_window == limits.context_window ? asking_->header.context_from : std::string()};
    asking_->header.context_window = limits.context_window;
    if (limits.known) max_tokens_ = room;

    const std::string& system = asking_->header.system.empty() ? settings_.default_system : asking_->header.system;
    if (continues())
        asking_->budget.tokens -= parts_.limits.estimate(model_.name, models::estimate_tokens(before_->content));
    chat::Message question{.role = chat::Role::user, .content = {chat::Text{request_.message}}};
    ContextBuilder builder(system, std::move(question), asking_->budget);
    std::size_t offered = 0;
    while (true) {
        while (offered < asking_->history.size() && builder.wants_more()) builder.offer(asking_->history[offered++]);
        if (!builder.wants_more() || !asking_->more_history) break;
        auto older =
            co_await parts_.store.older(claim_->key, asking_->history_end, next_page_messages, next_page_bytes);
        if (!older) co_return older.error();
        asking_->more_history = !older->empty();
        if (!older->empty()) asking_->history_end = older->back().timestamp;
        std::ranges::move(*older, std::back_inserter(asking_->history));
    }
    auto context = builder.finish(asking_->header.message_count);
    if (!context) co_return context.error();
    context_ = std::move(*context);
    asking_->header.context_from = context_.from;
    co_return std::nullopt;
}

bool Turn::use_less_context() {
    if (context_.messages.size() <= 1) return false;
    ContextBudget less = asking_->budget;
    less.tokens = context_.estimated_tokens / 2;
    less.known = false;
    less.previous_from.clear();
    const std::string& system = asking_->header.system.empty() ? settings_.default_system : asking_->header.system;
    ContextBuilder builder(system, context_.messages.back(), std::move(less));
    for (const StoredMessage& message : asking_->history) {
        if (!builder.wants_more()) break;
        builder.offer(message);
    }
    context_ = *builder.finish(asking_->header.message_count);
    return true;
}

models::ModelRequest Turn::model_request() {
    models::ModelRequest request{
        .model = model_.model,
        .system = asking_->header.system.empty() ? settings_.default_system : asking_->header.system,
        .messages = context_.messages,
        .max_tokens = max_tokens_,
        .temperature = request_.temperature,
        .stop = request_.stop,
        .stream = request_.stream || model_.always_stream};
    if (continues()) add_partial_answer(request);
    ignored_ = model_.provider->ignored_parameters(request);
    return request;
}

void Turn::add_partial_answer(models::ModelRequest& request) {
    std::string partial = before_->content;
    // Anthropic refuses a beginning that ends with white space.
    if (use_prefill_) partial.erase(partial.find_last_not_of(" \t\r\n") + 1);
    request.messages.push_back({.role = chat::Role::assistant, .content = {chat::Text{std::move(partial)}}});
    if (!use_prefill_)
        request.messages.push_back(
            {.role = chat::Role::user, .content = {chat::Text{std::string(continue_instruction)}}});
}

// -- the answer ------------------------------------------------------------------------------------------------------

async::Task<void> Turn::answer() {
    // The store's latency hides behind the model's; nothing is published before the message is durable.
    async::Task<void> append = append_message(start_record());
    append_begun_ = true;
    parts_.tasks.spawn(std::move(append));
    co_await ask_model();
    if (!co_await message_is_durable())
        end_with(TurnState::failed, appended_->error());
    else
        co_await store_answer();
}

async::Task<void> Turn::ask_model() {
    co_await call_model();
    // Only a refusal of the request as it is: nothing has been answered yet.
    if (use_prefill_ && failed_as(models::FailureKind::rejected) && !context_.messages.empty()) {
        use_prefill_ = false;
        co_await call_model();
    }
    if (failed_as(models::FailureKind::context_too_long) && use_less_context()) co_await call_model();
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

// Takes the message along: nobody needs it any more.
TurnStart Turn::start_record() {
    const std::int64_t now_us = parts_.clock.wall_us();
    message_place_ = base::next_timestamp(asking_->header.last_timestamp, now_us);
    StoredMessage message;
    message.role = chat::Role::user;
    message.content = std::move(request_.message);
    message.timestamp = message_place_;
    message.created_at = base::format_timestamp(now_us);
    message.turn_id = claim_->turn_id;
    message.metadata = std::move(request_.metadata);
    TurnStart start{.key = claim_->key,
                    .message = std::move(message),
                    .rewrites = taken_up_ ? taken_up_->place : std::string(),
                    .first_number = log_->next_number(),
                    .idempotency = {},
                    .model = asking_->header.model,
                    .system = asking_->header.system,
                    .context_from = asking_->header.context_from,
                    .context_window = asking_->header.context_window};
    if (!request_.once.key.empty())
        start.idempotency = IdempotencyRecord{
            .key = request_.once.key,
            .fingerprint = request_.once.fingerprint,
            .session_id = claim_->key.session_id,
            .turn_id = claim_->turn_id,
            .expires_us =
                now_us + std::chrono::duration_cast<std::chrono::microseconds>(request_.once.remembered_for).count()};
    return start;
}

void Turn::publish_start() {
    const bool is_continuation = taken_up_ && taken_up_->how == TakenUp::How::continuing;
    log_->start({.model = model_.name, .continues = is_continuation ? taken_up_->turn_id : std::string()},
                std::string(model_.provider->kind()));
    if (continues()) log_->replace_text(before_->content);
    parts_.logs.started(log_);
}

async::Task<bool> Turn::message_is_durable() {
    while (!appended_) co_await append_done_->wait(base::Deadline::never());
    co_return appended_->has_value();
}

async::Task<void> Turn::call_model() {
    const base::SteadyTime begin = now();
    base::Deadline deadline = deadline_.earlier(base::Deadline(begin + model_.deadlines.first_token));
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
        deadline = deadline_.earlier(base::Deadline(now() + model_.deadlines.between_tokens));
    }
}

async::Task<Turn::Opened> Turn::open_stream(base::Deadline deadline) {
    const models::ModelRequest request = model_request();
    co_return co_await model_.provider->open(request, claim_->stop.get_token(), deadline);
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

// What was only of use for asking goes: an answer may take minutes.
void Turn::first_token_came(double after_seconds) {
    parts_.metrics.first_token(provider_of(model_.name), after_seconds);
    context_.messages = {};
    asking_.reset();
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
        fold_answer(log_->record().bytes(), log_->bytes(), model_.provider->kind(), continues() ? &*before_ : nullptr);
    const bool was_stopped = !outcome && outcome.error().kind == models::FailureKind::stopped;
    const TurnState state = outcome ? TurnState::completed : was_stopped ? claim_->stop_as : TurnState::failed;

    TurnResult ended = result(state);
    ended.message = chat::text_of(answer.blocks);
    ended.usage = usage_of(answer, state);
    ended.messages_sent = context_.messages_sent;
    ended.messages_left_out = context_.messages_left_out;
    ended.estimated_tokens = context_.estimated_tokens;
    ended.ignored = ignored_;
    ended.conversation_length = **appended_ + (taken_up_ ? 0 : 1);
    if (outcome)
        ended.stop_reason = chat::effective_stop_reason(*stop_reason_, answer);
    else
        ended.error = was_stopped ? stopped_error(claim_->stop_as) : outcome.error().error;
    const std::int64_t now_us = parts_.clock.wall_us();
    ended.timestamp = taken_up_ ? taken_up_->place : base::next_timestamp(message_place_, now_us);

    co_await parts_.checkpoints.leave(log_, parts_.executor);
    const base::SteadyTime begin = now();
    const auto stored = co_await parts_.store.end_turn(
        {.key = claim_->key, .message = answer_record(ended, now_us, std::move(answer.blocks))});
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
    if (outcome && !ended.usage.estimated)
        parts_.limits.learn(model_.name, context_.plain_tokens, ended.usage.prompt());
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
    message.model = model_.name;
    message.stop_reason = ended.stop_reason;
    message.usage = ended.usage;
    message.events = std::move(events).take();
    message.outcome = TurnOutcome{.conversation_length = ended.conversation_length,
                                  .messages_sent = ended.messages_sent,
                                  .messages_left_out = ended.messages_left_out,
                                  .estimated_tokens = ended.estimated_tokens,
                                  .ignored = ended.ignored,
                                  .error = ended.error,
                                  .continues = ended.continues};
    return message;
}

// -- the end ---------------------------------------------------------------------------------------------------------

// Before the message is stored, or without an answer.
void Turn::end_with(TurnState state, const base::Error& error) {
    TurnResult failed = result(state);
    failed.error = error;
    failed.missed = std::move(missed_);
    end(std::move(failed), false);
}

TurnResult Turn::result(TurnState state) const {
    TurnResult result;
    result.state = state;
    result.session_id = claim_->key.session_id;
    result.turn_id = claim_->turn_id;
    result.model = model_.name;
    if (taken_up_ && taken_up_->how == TakenUp::How::continuing) result.continues = taken_up_->turn_id;
    return result;
}

chat::Usage Turn::usage_of(const chat::Answer& answer, TurnState state) const {
    chat::Usage usage = usage_.value_or(chat::Usage{.input = context_.estimated_tokens, .estimated = true});
    const bool output_known = usage_ && state == TurnState::completed;
    if (!output_known) {
        // Of an answer that was cut off the provider has told its input at most.
        std::int64_t output = 0;
        for (const auto& block : answer.blocks) {
            if (const auto* text = std::get_if<chat::Text>(&block)) output += models::estimate_tokens(text->text);
            if (const auto* thinking = std::get_if<chat::Thinking>(&block))
                usage.reasoning = std::max(usage.reasoning, models::estimate_tokens(thinking->text));
        }
        if (continues()) output -= models::estimate_tokens(before_->content);
        usage.output = std::max(usage.output, output);
        usage.estimated = true;
    }
    return usage;
}

void Turn::end(TurnResult ended, bool with_usage) {
    const double time = seconds(now() - began_);
    const std::string provider = model_.name.empty() ? "none" : provider_of(model_.name);
    const bool failed = ended.error.has_value();
    const std::string_view state = log_->has_started() ? to_string(ended.state) : std::string_view("refused");
    parts_.metrics.turn_ended(state, provider, time);
    parts_.metrics.tokens(provider, "input", ended.usage.input);
    parts_.metrics.tokens(provider, "cache_read", ended.usage.cache_read);
    parts_.metrics.tokens(provider, "cache_write", ended.usage.cache_write);
    parts_.metrics.tokens(provider, "output", ended.usage.output);
    parts_.metrics.tokens(provider, "reasoning", ended.usage.reasoning);
    if (parts_.log.enabled(failed ? telemetry::Level::warn : telemetry::Level::info))
        parts_.log.write(failed ? telemetry::Level::warn : telemetry::Level::info, "turn ended",
                         {{"request_id", request_.request_id},
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
    if (!request_.once.key.empty()) parts_.keys.release(request_.owner, request_.once.key, claim_->turn_id);
}

}  // namespace tertulia::sessions
