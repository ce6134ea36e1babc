#include "tertulia/sessions/turn_question.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tertulia/base/utf8.h"
#include "tertulia/sessions/message_size.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn_result.h"

namespace tertulia::sessions {
namespace {

// The first look at a session: its header and enough history for most windows' first half.
constexpr std::int64_t first_page_messages = 64, first_page_bytes = 64 << 10;
constexpr std::int64_t next_page_messages = 500, next_page_bytes = 1 << 20;
// More of a first message than any list shows.
constexpr std::size_t first_words_bytes = 512;
// The most messages that a refused client is told it has missed; for more it reads the history.
constexpr std::int64_t most_missed = 200;
constexpr std::int64_t most_missed_bytes = 1 << 20;
// What a model is told that takes no beginning of its answer.
constexpr std::string_view continue_instruction =
    "Your last answer was cut off. Go on exactly where it ends, in the middle of the sentence if need be. Repeat "
    "nothing of it, and say nothing about this.";

}  // namespace

TurnQuestion::TurnQuestion(const SessionService::Parts& parts, const SessionSettings& settings, const TurnClaim& claim,
                           TurnRequest request, std::optional<TakenUp> taken_up)
    : parts_(parts),
      settings_(settings),
      claim_(claim),
      once_key_(std::move(request.once.key)),
      manner_(take_manner(request)),
      streams_(request.stream),
      taken_up_(taken_up ? std::make_unique<TakenUp>(std::move(*taken_up)) : nullptr) {
    asking_->request = std::move(request);
}

std::unique_ptr<const TurnQuestion::Manner> TurnQuestion::take_manner(TurnRequest& request) {
    const bool is_usual = request.tools.empty() && !request.tool_choice && !request.max_tokens &&
                          !request.temperature && request.stop.empty();
    if (is_usual) return nullptr;
    return std::make_unique<const Manner>(Manner{.tools = std::move(request.tools),
                                                 .tool_choice = std::move(request.tool_choice),
                                                 .max_tokens = request.max_tokens,
                                                 .temperature = request.temperature,
                                                 .stop = std::move(request.stop)});
}

const TurnQuestion::Manner& TurnQuestion::manner() const {
    static const Manner usual;
    return manner_ ? *manner_ : usual;
}

std::optional<std::vector<StoredMessage>> TurnQuestion::take_missed() {
    return asking_ ? std::move(asking_->missed) : std::nullopt;
}

std::string TurnQuestion::continues() const {
    return taken_up_ && taken_up_->how == TakenUp::How::continuing ? taken_up_->turn_id : std::string();
}

std::string TurnQuestion::answer_place(std::int64_t now_us) const {
    if (taken_up_) return taken_up_->place;
    return parts_.store.is_shared() ? sessions::answer_place(message_place_)
                                    : base::next_timestamp(message_place_, now_us);
}

// -- preparing -------------------------------------------------------------------------------------------------------

async::Task<TurnQuestion::Problem> TurnQuestion::prepare(base::Deadline deadline) {
    if (auto problem = co_await read_session()) co_return problem;
    if (auto problem = take_up_answer()) co_return problem;
    // What is tried anew stands in its place already: the messages behind its parent are its own.
    if (!taken_up_)
        if (auto problem = co_await check_parent()) co_return problem;
    if (has_begun_ && !taken_up_) take_own_question(1);
    asking_->question = {.role = chat::Role::user, .content = asking_->request.content};
    if (auto problem = choose_route()) co_return problem;
    co_return co_await wait_for_model(deadline);
}

TurnOpening TurnQuestion::opening() const {
    const TurnRequest& request = asking_->request;
    return {.turn = *claim_.name,
            .model = request.model,
            .system = request.system,
            .text = std::string(base::cut_utf8(chat::text_of(request.content), first_words_bytes)),
            .max_messages = first_page_messages,
            .max_bytes = first_page_bytes,
            .stop = [&registry = parts_.registry, name = *claim_.name](TurnState as) { registry.stop(name, as); },
            .watched =
                [&checkpoints = parts_.checkpoints, &logs = parts_.logs, name = *claim_.name](base::Milliseconds time) {
                    if (const auto log = logs.find(name)) checkpoints.watched(log, time);
                }};
}

void TurnQuestion::take(std::optional<SessionSnapshot> session) {
    is_read_ = true;
    if (!session) return;
    asking_->header = std::move(session->header);
    asking_->history = std::move(session->newest);
    asking_->more_history = session->more;
    if (!session->question_place.empty()) message_place_ = std::move(session->question_place);
}

void TurnQuestion::take(HandedTurn handed) {
    has_begun_ = true;
    take(std::move(handed.session));
    if (handed.rewrites.empty() || asking_->history.empty()) return;
    const StoredMessage& answer = asking_->history.front();
    taken_up_ = std::make_unique<TakenUp>(
        TakenUp{.how = answer.content.empty() ? TakenUp::How::retrying : TakenUp::How::continuing,
                .turn_id = answer.turn_id,
                .place = std::move(handed.rewrites)});
}

async::Task<TurnQuestion::Problem> TurnQuestion::read_session() {
    if (!is_read_) {
        if (asking_->request.session_id.empty())
            co_return std::nullopt;  // an id of our own making: nobody can have stored anything under it
        if (auto problem = co_await load()) co_return problem;
    }
    co_return co_await complete(taken_up_ ? 2 : 1);
}

async::Task<TurnQuestion::Problem> TurnQuestion::load() {
    auto opened = co_await parts_.store.open(claim_.key(), first_page_messages, first_page_bytes);
    if (!opened) co_return opened.error();
    take(*std::move(opened));
    co_return std::nullopt;
}

// At least so many of the newest messages, if there are.
async::Task<TurnQuestion::Problem> TurnQuestion::complete(std::size_t least) {
    std::vector<StoredMessage>& history = asking_->history;
    if (history.size() < least && asking_->more_history) {
        // An answer so long that its question did not come with it.
        auto question = co_await parts_.store.older(claim_.key(), history.back().timestamp, 1, 1);
        if (!question) co_return question.error();
        std::ranges::move(*question, std::back_inserter(history));
    }
    if (!history.empty()) asking_->history_end = history.back().timestamp;
    co_return std::nullopt;
}

async::Task<TurnQuestion::Problem> TurnQuestion::check_parent() {
    if (asking_->request.parent.empty() || asking_->request.parent == asking_->header.last_timestamp ||
        has_interrupted_parent())
        co_return std::nullopt;
    auto page = co_await parts_.store.messages(
        claim_.key(),
        {.limit = most_missed, .after = asking_->request.parent, .before = {}, .max_bytes = most_missed_bytes});
    if (!page) co_return page.error();
    asking_->missed = *page ? std::move((*page)->messages) : std::vector<StoredMessage>();
    co_return base::Error{.code = base::Errc::conflict,
                          .message = "The session has moved on since 'parent'; read what was missed, and send again."};
}

// Has nothing come after the parent but the answer to it, as far as it was when this message interrupted it?
bool TurnQuestion::has_interrupted_parent() const {
    const std::vector<StoredMessage>& history = asking_->history;
    return claim_.interrupts && history.size() >= 2 && history[0].timestamp == asking_->header.last_timestamp &&
           history[0].state == TurnState::cancelled && history[1].timestamp == asking_->request.parent;
}

TurnQuestion::Problem TurnQuestion::take_up_answer() {
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
    asking_->request.content = blocks_of(asking_->history[1]);
    asking_->history.erase(asking_->history.begin(), asking_->history.begin() + 2);
    asking_->header.message_count -= 2;
    return std::nullopt;
}

TurnQuestion::Problem TurnQuestion::choose_route() {
    if (asking_->request.model) asking_->header.model = *asking_->request.model;
    if (asking_->request.system) asking_->header.system = *asking_->request.system;
    auto route = parts_.models.resolve(asking_->header.model.empty() ? settings_.default_model : asking_->header.model);
    if (!route) return route.error();
    asking_->route = std::move(*route);
    // A session stays with its provider: the prompt's caches live there.
    const std::vector<StoredMessage>& history = asking_->history;
    const StoredMessage* last = before_ ? before_.get() : history.empty() ? nullptr : &history.front();
    const bool has_answered = last && (last->state == TurnState::completed || !last->content.empty());
    const auto used = has_answered ? std::ranges::find(asking_->route.targets, last->model, &models::ModelRef::name)
                                   : asking_->route.targets.end();
    if (used != asking_->route.targets.end() && parts_.resilience.breakers.is_closed(used->provider_name))
        std::rotate(asking_->route.targets.begin(), used, used + 1);
    return std::nullopt;
}

async::Task<TurnQuestion::Problem> TurnQuestion::wait_for_model(base::Deadline deadline) {
    models::Readiness* const readiness = asking_->route.targets.front().readiness;
    while (readiness && readiness->notify(claim_.waiter)) {
        if (claim_.stop.stop_requested()) co_return claim_.why_stopped();
        if (deadline.passed(parts_.clock.steady()))
            co_return base::Error{.code = base::Errc::unavailable,
                                  .message = "The model is still being loaded; try again in a moment.",
                                  .retry_after = base::Milliseconds(5000)};
        co_await claim_.waiter->wait(deadline);
    }
    co_return std::nullopt;
}

async::Task<TurnQuestion::Problem> TurnQuestion::choose_context(const models::ModelRef& target,
                                                                std::string_view so_far) {
    const models::Limits limits = parts_.limits.limits(target.name, target.model);
    max_tokens_ = manner().max_tokens.value_or(settings_.max_tokens);
    // A wish for a long answer must not crowd out the conversation in a small window.
    const std::int64_t room = std::min(max_tokens_, limits.context_window / 2);
    // What was refused is only a reason to leave history out: a message that is alone too large for it may be tried.
    const std::int64_t for_prompt = limits.context_window - room;
    const std::int64_t refused = parts_.limits.estimate(target.name, limits.refused_prompt);
    const bool has_refused = refused > 0 && refused <= for_prompt;
    const std::int64_t chosen_for = has_refused ? limits.refused_prompt : limits.context_window;
    so_far_tokens_ = so_far.empty() ? 0 : parts_.limits.estimate(target.name, models::estimate_tokens(so_far));
    asking_->budget = {
        .tokens = (has_refused ? refused - 1 : for_prompt) - so_far_tokens_,
        .tools_tokens = tokens_of(manner().tools),
        .known_room = limits.known ? std::optional(for_prompt - so_far_tokens_) : std::nullopt,
        .correct = [&all = parts_.limits, name = target.name](std::int64_t plain) { return all.estimate(name, plain); },
        .previous_from = asking_->header.context_window == chosen_for ? asking_->header.context_from : std::string()};
    asking_->header.context_window = chosen_for;
    if (limits.known) max_tokens_ = room;

    ContextBuilder builder(system(), asking_->question, asking_->budget);
    std::size_t offered = 0;
    while (true) {
        while (offered < asking_->history.size() && builder.wants_more()) builder.offer(asking_->history[offered++]);
        if (!builder.wants_more() || !asking_->more_history) break;
        auto older =
            co_await parts_.store.older(claim_.key(), asking_->history_end, next_page_messages, next_page_bytes);
        if (!older) co_return older.error();
        asking_->more_history = !older->empty();
        if (!older->empty()) asking_->history_end = older->back().timestamp;
        std::ranges::move(*older, std::back_inserter(asking_->history));
    }
    auto context = builder.finish(asking_->header.message_count);
    if (!context) co_return context.error();
    context_ = std::move(*context);
    context_for_ = &target;
    has_less_context_ = false;
    asking_->header.context_from = context_.from;
    co_return std::nullopt;
}

const std::string& TurnQuestion::system() const {
    return asking_->header.system.empty() ? settings_.default_system : asking_->header.system;
}

// -- asking ----------------------------------------------------------------------------------------------------------

void TurnQuestion::choose_less_context() {
    ContextBudget less = asking_->budget;
    less.tokens = context_.estimated_tokens / 2;
    less.known_room.reset();
    less.previous_from.clear();
    ContextBuilder builder(system(), asking_->question, std::move(less));
    for (const StoredMessage& message : asking_->history) {
        if (!builder.wants_more()) break;
        builder.offer(message);
    }
    context_ = *builder.finish(asking_->header.message_count);
}

void TurnQuestion::forget() {
    std::vector<chat::Message>().swap(context_.messages);
    context_for_ = nullptr;
    asking_.reset();
}

// Nobody else writes to the session meanwhile: what is stored is what was there, and this turn's own message.
async::Task<TurnQuestion::Problem> TurnQuestion::recall() {
    asking_ = std::make_unique<Asking>();
    const std::size_t own = taken_up_ ? 2 : 1;
    if (auto problem = co_await load()) co_return problem;
    if (auto problem = co_await complete(own)) co_return problem;
    const std::vector<StoredMessage>& history = asking_->history;
    if (history.size() < own || history[own - 1].role != chat::Role::user)
        co_return base::Error{.code = base::Errc::conflict,
                              .message = "The session was deleted while this answer was being given."};
    take_own_question(own);
    asking_->question = {.role = chat::Role::user, .content = std::exchange(asking_->request.content, {})};
    co_return std::nullopt;
}

// Of the newest `own` messages, which are the turn's, the oldest is its question.
void TurnQuestion::take_own_question(std::size_t own) {
    std::vector<StoredMessage>& history = asking_->history;
    asking_->request.content = blocks_of(history[own - 1]);
    message_place_ = history[own - 1].timestamp;
    history.erase(history.begin(), history.begin() + static_cast<std::ptrdiff_t>(own));
    asking_->header.message_count -= static_cast<std::int64_t>(own);
}

async::Task<base::Result<models::ModelRequest>> TurnQuestion::request(const models::ModelRef& target,
                                                                      const models::Step& step,
                                                                      std::string_view so_far) {
    if (!asking_)
        if (auto problem = co_await recall()) co_return std::unexpected(std::move(*problem));
    if (context_for_ != &target) {
        if (auto problem = co_await choose_context(target, so_far)) co_return std::unexpected(std::move(*problem));
    } else if (step.less_context && !std::exchange(has_less_context_, true)) {
        choose_less_context();
    }
    models::ModelRequest request{.model = target.model,
                                 .system = system(),
                                 .messages = context_.messages,
                                 .stable_messages = context_.messages.size() - 1,
                                 .tools = manner().tools,
                                 .tool_choice = manner().tool_choice,
                                 .conversation = claim_.key().owner + "|" + claim_.key().session_id,
                                 .max_tokens = max_tokens_,
                                 .temperature = manner().temperature,
                                 .stop = manner().stop,
                                 .stream = streams_ || target.always_stream};
    trimmed_.clear();
    if (step.form != models::Form::whole) add_partial_answer(request, step.form, so_far);
    ignored_ = target.provider->ignored_parameters(request);
    co_return request;
}

void TurnQuestion::add_partial_answer(models::ModelRequest& request, models::Form form, std::string_view so_far) {
    const std::size_t end = so_far.find_last_not_of(" \t\r\n") + 1;
    if (end == 0) return;  // there is nothing to go on from
    // Anthropic refuses a beginning that ends with white space.
    if (form == models::Form::prefill) {
        trimmed_ = so_far.substr(end);
        so_far = so_far.substr(0, end);
    }
    request.messages.push_back({.role = chat::Role::assistant, .content = {chat::Text{std::string(so_far)}}});
    if (form == models::Form::instruction)
        request.messages.push_back(
            {.role = chat::Role::user, .content = {chat::Text{std::string(continue_instruction)}}});
}

TurnStart TurnQuestion::take_start(std::uint32_t first_number) {
    const std::int64_t now_us = parts_.clock.wall_us();
    if (message_place_.empty()) message_place_ = base::next_timestamp(asking_->header.last_timestamp, now_us);
    StoredMessage message;
    message.role = chat::Role::user;
    message.content = chat::text_of(asking_->request.content);
    std::vector<chat::ContentBlock> content =
        std::exchange(asking_->request.content, std::vector<chat::ContentBlock>());
    if (!chat::is_plain_text(content)) message.blocks = std::move(content);
    message.timestamp = message_place_;
    message.created_at = base::format_timestamp(now_us);
    message.turn_id = claim_.turn_id();
    message.metadata = std::move(asking_->request.metadata);
    TurnStart start{.key = claim_.key(),
                    .message = std::move(message),
                    .rewrites = taken_up_ ? taken_up_->place : std::string(),
                    .first_number = first_number,
                    .idempotency = {},
                    .model = asking_->header.model,
                    .system = asking_->header.system,
                    .context_from = asking_->header.context_from,
                    .context_window = asking_->header.context_window};
    // On a shared store it has been claimed before.
    if (!once_key_.empty() && !parts_.store.is_shared()) {
        start.idempotency = asking_->request.once.record(*claim_.name, now_us);
        start.idempotency->key = once_key_;
    }
    return start;
}

}  // namespace tertulia::sessions
