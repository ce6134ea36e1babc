#include "tertulia/sessions/turn.h"

#include <algorithm>
#include <utility>

#include "tertulia/chat/content.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/sessions/billed.h"
#include "tertulia/sessions/given_tokens.h"
#include "tertulia/sessions/shared_order.h"
#include "tertulia/sessions/stored_answer.h"

namespace tertulia::sessions {
namespace {

// A turn's own events beside those of its answer: a reroute, the text replaced, usage, the end.
constexpr std::uint32_t own_events = 4;
double seconds(std::chrono::steady_clock::duration time) {
    return std::chrono::duration<double>(time).count();
}

base::Error still_busy() {
    return {.code = base::Errc::conflict,
            .message = "Another answer of this session is still being given; send again later.",
            .retry_after = base::Milliseconds(1000)};
}

std::int64_t code_points(std::string_view text) {
    return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

}  // namespace

Turn::Turn(const SessionService::Parts& parts, const SessionSettings& settings, TurnRequest request,
           std::optional<TakenUp> taken_up, std::shared_ptr<TurnClaim> claim, std::shared_ptr<TurnLog> log,
           bool resumes)
    : parts_(parts),
      settings_(settings),
      claim_(std::move(claim)),
      log_(std::move(log)),
      question_(parts_, settings_, *claim_, std::move(request), std::move(taken_up)),
      began_(parts_.clock.steady()),
      bills_(parts_.spending),
      resumes_(resumes),
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
    Problem problem = co_await prepare();
    if (!problem) co_return true;
    if (messages_ > 0) {  // it was begun by another process
        co_await finish(std::unexpected(
            models::Failure{claim_->stop.stop_requested() ? models::FailureKind::stopped : models::FailureKind::failed,
                            *std::move(problem)}));
        co_return false;
    }
    co_await give_claims_back(true);
    // Whatever else went wrong meanwhile: who was asked to end ends as that.
    if (claim_->stop.stop_requested())
        end_with(stopped_as(), why_stopped());
    else
        end_with(TurnState::failed, *problem);
    co_return false;
}

// Before the end is told: whoever sends again finds session and key free.
async::Task<void> Turn::give_claims_back(bool frees_key) {
    if (bills_.limits(claim_->key())) co_await bills_.close(log_->name());
    if (!parts_.store.is_shared()) co_return;
    if (is_open_) {
        const auto abandoned = co_await parts_.store.abandon_turn(log_->name());
        if (!abandoned)
            parts_.log.warn("a session stays claimed for a while",
                            {{"turn", claim_->turn_id()}, {"reason", abandoned.error().message}});
    }
    if (question_.once_key().empty() || resumes_ || !frees_key) co_return;
    const auto freed = co_await parts_.store.free_key(claim_->key().owner, question_.once_key(), claim_->turn_id());
    if (!freed)
        parts_.log.warn("an idempotency key stays claimed for a while",
                        {{"turn", claim_->turn_id()}, {"reason", freed.error().message}});
}

// A turn that can no longer be handed over has been interrupted.
TurnState Turn::stopped_as() const {
    return claim_->stop_as == TurnState::running ? TurnState::interrupted : claim_->stop_as;
}

base::Error Turn::why_stopped() const {
    return claim_->stop_why ? *claim_->stop_why : error_of(stopped_as());
}

async::Task<void> Turn::end_after_bug(std::string what) {
    parts_.log.error("bug in a turn",
                     {{"session", claim_->key().session_id}, {"turn", claim_->turn_id()}, {"what", what}});
    if (append_begun_) co_await message_is_durable();  // the append refers to this turn
    if (log_->result()) co_return;
    // What is kept of it becomes the interrupted answer, which gets an end of its own.
    co_await parts_.checkpoints.leave(log_, parts_.executor);
    if (is_open_) co_await parts_.store.abandon_turn(log_->name());
    if (bills_.limits(claim_->key())) co_await bills_.close(log_->name());
    end_with(TurnState::failed,
             {.code = base::Errc::internal, .message = "The server made a mistake; it is in its log."});
}

// -- before the message is stored ------------------------------------------------------------------------------------

async::Task<Turn::Problem> Turn::prepare() {
    if (auto problem = co_await wait_for_place()) co_return problem;
    count_as_running();
    deadline_ = base::Deadline(now() + settings_.turn_limit);
    if (auto problem = co_await question_.prepare(deadline_)) co_return problem;
    call_.emplace(models::ModelCall::Parts{.resilience = parts_.resilience,
                                           .tasks = parts_.tasks,
                                           .executor = parts_.executor,
                                           .clock = parts_.clock,
                                           .random = parts_.random,
                                           .metrics = parts_.metrics},
                  question_.take_route(), question_.before() != nullptr, static_cast<models::Asker&>(*this),
                  claim_->stop.get_token());
    if (auto chosen = call_->choose_first(resumes_ ? this->so_far() : models::SoFar::nothing); !chosen)
        co_return chosen.error();
    if (resumes_ && question_.before() && this->so_far() == models::SoFar::other)
        co_return base::Error{.code = base::Errc::upstream_unavailable,
                              .message = "The answer was cut off within a tool call, and cannot be gone on with."};
    std::string so_far;
    if (resumes_)
        so_far = text_so_far();
    else if (question_.before())
        so_far = question_.before()->content;
    auto problem = co_await question_.choose_context(call_->target(), so_far);
    while (problem && problem->code == base::Errc::too_large && call_->choose_next())
        problem = co_await question_.choose_context(call_->target(), so_far);
    if (problem) co_return problem;
    // Over budget is said before anything is written.
    if (bills_.limits(claim_->key()))
        if (auto reserved = co_await reserve(call_->target()); !reserved) co_return std::move(reserved.error());
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::wait_for_place() {
    const base::Deadline queue_deadline(now() + settings_.queue_limit);
    if (auto problem = co_await wait_for_first_place(queue_deadline)) co_return problem;
    if (resumes_) co_return co_await take_over();
    if (parts_.store.is_shared()) co_return co_await wait_for_shared_place(queue_deadline);
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::wait_for_first_place(base::Deadline deadline) {
    if (!parts_.registry.is_first(*claim_)) show_that_it_waits();
    while (!parts_.registry.is_first(*claim_)) {
        if (claim_->stop.stop_requested()) co_return why_stopped();
        if (deadline.passed(now())) co_return still_busy();
        co_await claim_->waiter->wait(deadline);
    }
    if (claim_->stop.stop_requested()) co_return why_stopped();
    co_return std::nullopt;
}

async::Task<Turn::Problem> Turn::wait_for_shared_place(base::Deadline deadline) {
    SharedOrder order({.store = parts_.store, .registry = parts_.registry}, *claim_, settings_.look_again);
    while (true) {
        const base::SteadyTime begin = now();
        auto look = co_await order.look(question_.opening(), question_.rejects());
        parts_.metrics.store("open_turn", seconds(now() - begin), !look.has_value());
        if (!look) co_return std::move(look.error());
        if (!look->must_wait) {
            is_open_ = true;
            question_.take(std::move(look->session));
            break;
        }
        show_that_it_waits();
        if (!claim_->stop.stop_requested()) co_await order.wait(deadline);
        if (auto problem = co_await wait_for_first_place(deadline)) co_return problem;
        if (deadline.passed(now())) co_return still_busy();
    }
    if (claim_->stop.stop_requested()) co_return why_stopped();
    co_return std::nullopt;
}

void Turn::show_that_it_waits() {
    if (!resumes_ && !log_->was_queued()) log_->queue();
}

// -- the answer ------------------------------------------------------------------------------------------------------

async::Task<void> Turn::answer() {
    // The store's latency hides behind the model's; nothing is published before the message is durable.
    if (!resumes_) begin_append();
    co_await call_->run(deadline_);
    if (co_await message_is_durable()) co_return co_await finish(call_->outcome());
    // Where it is not known whether the message was written, who repeats the request has to look for it.
    co_await give_claims_back(append_error_->code == base::Errc::conflict);
    end_with(TurnState::failed, *append_error_);
}

void Turn::begin_append() {
    async::Task<void> append = append_message(question_.take_start(log_->next_number()));
    append_begun_ = true;
    parts_.tasks.spawn(std::move(append));
}

async::Task<void> Turn::append_message(TurnStart start) {
    const base::SteadyTime begin = now();
    std::string head = start.rewrites.empty() ? start.message.timestamp : start.rewrites;
    base::Result<std::int64_t> appended;
    try {
        appended = co_await parts_.store.begin_turn(std::move(start));
    } catch (const std::exception& exception) {
        // The turn waits for this outcome, whatever it is.
        parts_.log.error("bug in the store", {{"turn", claim_->turn_id()}, {"what", exception.what()}});
        appended = base::fail(base::Errc::internal, "The server made a mistake; it is in its log.");
    }
    parts_.metrics.store("begin_turn", seconds(now() - begin), !appended.has_value());
    if (appended) {
        messages_ = *appended;
        parts_.registry.set_head(*claim_, std::move(head));
        publish_start();
    } else {
        append_error_ = std::make_unique<base::Error>(std::move(appended.error()));
    }
    append_done_->wake();
}

void Turn::publish_start() {
    first_maker_ = maker_ = call_->target().provider->kind();
    log_->start(
        {.model = call_->target().name, .continues = question_.continues(), .prompt_tokens = question_.prompt_tokens()},
        std::string(maker_));
    if (const StoredMessage* before = question_.before()) log_->replace_text(before->content);
    announce();
}

void Turn::announce() {
    parts_.logs.started(log_);
    parts_.checkpoints.started(log_);
    if (parts_.audience) parts_.audience->started(log_, question_.request_id());
}

async::Task<bool> Turn::message_is_durable() {
    while (!messages_ && !append_error_) co_await append_done_->wait(base::Deadline::never());
    append_done_.reset();  // nobody waits for it again
    co_return !append_error_;
}

// -- what ModelCall asks of the turn ---------------------------------------------------------------------------------

async::Task<base::Result<models::ModelRequest>> Turn::ask(const models::ModelRef& target, const models::Step& step) {
    if (earlier_) earlier_->restarts = step.restarts;
    const std::string so_far = step.form == models::Form::whole ? std::string() : text_so_far();
    auto request = co_await question_.request(target, step, so_far);
    overlaps_.erase(&target);
    if (!question_.trimmed().empty()) overlaps_.emplace(&target, question_.trimmed());
    // The first call's was made before the start.
    if (request && !call_->attempts().empty()) {
        bills_.settle_ended(*call_);
        if (bills_.limits(claim_->key()))
            if (auto reserved = co_await reserve(target); !reserved)
                co_return std::unexpected(std::move(reserved.error()));
    }
    co_return request;
}

async::Task<base::Result<void>> Turn::reserve(const models::ModelRef& target) {
    return bills_.reserve(log_->name(), question_.spent_nano(), target.name, question_.prompt_tokens(),
                          question_.max_tokens());
}

bool Turn::needs_room(const chat::AnswerEvents& steps) const {
    return !steps.events().empty() &&
           log_->record().last_number() + steps.events().size() + own_events > log_->reserved();
}

base::Result<void> Turn::show(const chat::AnswerEvents& steps) {
    if (steps.events().empty()) return {};
    if (overlap_.empty())
        log_->append(steps);
    else
        log_->append(without_overlap(steps));
    parts_.checkpoints.changed(log_);
    if (!parts_.logs.may_grow(*log_)) return std::unexpected(too_much_at_once());
    if (log_->bytes().size() <= settings_.answer_bytes) return {};
    return base::fail(base::Errc::upstream_unavailable, "The answer is longer than limits.answer_bytes.");
}

chat::AnswerEvents Turn::without_overlap(const chat::AnswerEvents& steps) {
    chat::AnswerEvents rest;
    for (const chat::AnswerEvents::Event& event : steps.events()) {
        std::string_view text = steps.bytes(event.text);
        if (event.kind == chat::AnswerEvents::Kind::text) {
            while (!text.empty() && !overlap_.empty() && text.front() == overlap_.front()) {
                text.remove_prefix(1);
                overlap_.erase(0, 1);
            }
            if (!text.empty()) overlap_.clear();
        }
        rest.add(event.kind, event.block, text, steps.bytes(event.extra));
    }
    return rest;
}

void Turn::answering(const models::ModelRef& by, base::Milliseconds after) {
    parts_.metrics.first_token(by.provider_name, seconds(after));
    if (const auto refused = std::exchange(refused_, nullptr); refused && refused->name == by.name)
        parts_.limits.was_too_long(refused->name, refused->plain_tokens);
    if (!first_token_) first_token_ = seconds(now() - began_);
    question_.forget();
    note_bills();
    overlap_.clear();
    if (auto asked = overlaps_.extract(&by)) overlap_ = std::move(asked.mapped());
    if (by.name != log_->started()->model) log_->change_model(by.name);
    if (maker_ != by.provider->kind()) {
        maker_ = by.provider->kind();
        log_->change_maker(maker_);
    }
    // Another process has given the answer so far: the blocks of this call are new ones, even if its model is the same.
    if (earlier_ && std::exchange(earlier_->is_content_open, false))
        reroute(earlier_->model, by.name, base::Errc::timed_out, earlier_->restarts);
}

void Turn::rerouted(const models::Reroute& reroute) {
    this->reroute(reroute.from->name, reroute.to->name, reroute.reason, reroute.restarts);
}

void Turn::reroute(std::string from, std::string to, base::Errc reason, bool restarts) {
    const std::string kept = restarts ? std::string() : text_so_far();
    if (kept.empty()) log_->restart();
    log_->reroute({.from = std::move(from),
                   .to = std::move(to),
                   .reason = std::string(base::to_string(reason)),
                   .kept_chars = code_points(kept)});
    if (restarts) log_->replace_text("");
}

// So that the session's next turn does not run into it again.
void Turn::was_too_long(const models::ModelRef& target, std::optional<std::int64_t> context_window) {
    if (context_window)
        parts_.limits.lower_window(target.name, *context_window);
    else if (text_so_far().empty())  // else it was not the history alone
        refused_ = std::make_unique<Refused>(target.name, question_.context().plain_tokens);
}

chat::Answer Turn::answer_so_far() const {
    return fold_answer(log_->record().bytes(), log_->bytes(), first_maker_, question_.before());
}

std::string Turn::text_so_far() const {
    return chat::text_of(answer_so_far().blocks);
}

models::SoFar Turn::so_far() const {
    const chat::Answer answer = answer_so_far();
    if (answer.calls_tools) return models::SoFar::other;
    return chat::is_blank(chat::text_of(answer.blocks)) ? models::SoFar::nothing : models::SoFar::text;
}

chat::Usage Turn::take_given() {
    GivenTokens given;
    EventEntry entry;
    while (given_.next(log_->record().bytes(), entry)) {
        given.add(entry, log_->bytes().substr(given_bytes_, entry.text_size));
        given_bytes_ += std::size_t(entry.text_size) + entry.extra_size;
    }
    return given.usage();
}

// -- the answer's end ------------------------------------------------------------------------------------------------

// For the case of a crash: what follows in the log is of an attempt after those that are over.
void Turn::note_bills() {
    const std::vector<models::AttemptRecord>& attempts = call_->attempts();
    const bool is_gone_on_with = earlier_ && earlier_->is_content_open;
    if (attempts.size() == 1 && !is_gone_on_with) return;
    bills_.settle_ended(*call_);
    if (!bills_.has_unnoted() && !is_gone_on_with) return;
    const auto answering = std::ranges::find_if(
        attempts, [](const models::AttemptRecord& attempt) { return attempt.had_content && !attempt.is_over; });
    Billed billed = bills_.take_unnoted();
    if (answering != attempts.end()) billed.prompt_tokens = answering->prompt_estimate;
    log_->note(billed);
}

}  // namespace tertulia::sessions
