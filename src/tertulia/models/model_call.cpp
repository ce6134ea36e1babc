#include "tertulia/models/model_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tertulia::models {
namespace {

using base::Deadline;
using base::Milliseconds;

std::vector<AttemptPolicy::Target> policy_targets(const ModelRoute& route) {
    std::vector<AttemptPolicy::Target> targets;
    targets.reserve(route.targets.size());
    for (const ModelRef& target : route.targets)
        targets.push_back({target.provider_name, target.provider->takes_prefill(target.model)});
    return targets;
}

double unit_random(base::Random& random) {
    std::array<unsigned char, 4> bytes{};
    random.fill(bytes);
    std::uint32_t number = 0;
    for (const unsigned char byte : bytes) number = number << 8 | byte;
    return static_cast<double>(number) / 4294967296.0;
}

bool has_content(const chat::AnswerEvents& steps) {
    return steps.finish || std::ranges::any_of(steps.events(), [](const chat::AnswerEvents::Event& event) {
               return event.kind != chat::AnswerEvents::Kind::restart;
           });
}

bool speaks_against_provider(FailureKind kind) {
    switch (kind) {
        case FailureKind::overloaded:
        case FailureKind::failed:
        case FailureKind::unreachable:
        case FailureKind::broken:
        case FailureKind::timed_out:
        case FailureKind::quota:
            return true;
        default:
            return false;
    }
}

bool is_of_the_request(FailureKind kind) {
    return kind == FailureKind::rejected || kind == FailureKind::context_too_long;
}

Failure stopped() {
    return {FailureKind::stopped, {.code = base::Errc::unavailable, .message = "stopped"}};
}

}  // namespace

ModelCall::ModelCall(Parts parts, ModelRoute route, bool must_go_on, Asker& asker, std::stop_token stop)
    : parts_(parts),
      route_(std::move(route)),
      asker_(asker),
      stop_(std::move(stop)),
      policy_(parts.resilience.retry, policy_targets(route_), must_go_on, parts.resilience.breakers,
              parts.resilience.retries) {}

base::Result<void> ModelCall::choose_first(SoFar so_far) {
    parts_.resilience.retries.request_came();
    begun_ = so_far;
    if (policy_.first(now(), so_far).is_call()) return {};
    const auto until = policy_.open_until(now()).value_or(now());
    return std::unexpected(
        base::Error{.code = base::Errc::upstream_unavailable,
                    .message = "The provider has failed several times in a row; it is tried again in a moment.",
                    .retry_after = std::max(std::chrono::ceil<Milliseconds>(until - now()), Milliseconds(1))});
}

bool ModelCall::choose_next() {
    const Step step = policy_.next({FailureKind::context_too_long, {}}, false, begun_, now(), 0);
    return step.is_call() && !step.less_context;
}

async::Task<void> ModelCall::run(Deadline deadline) {
    deadline_ = deadline;
    do co_await attempt();
    while (lane_->failure && !ours_ && goes_on() &&
           (policy_.latest().wait == Milliseconds(0) || co_await pause(policy_.latest().wait)));
}

Attempt<chat::StopReason> ModelCall::outcome() const {
    if (ours_) return std::unexpected(Failure{FailureKind::rejected, *ours_});
    if (!lane_->failure) return *lane_->steps.finish;
    return std::unexpected(stop_.stop_requested() ? stopped() : *lane_->failure);
}

// One step of the policy, to its end.
async::Task<void> ModelCall::attempt() {
    if (hedge_delay())
        co_await race();
    else
        co_await open();
    if (ours_ || !lane_->is_called) co_return;
    Lane& lane = *lane_;
    if (lane.race && lane.race->bug) std::rethrow_exception(lane.race->bug);
    if (!lane.failure && !co_await asker_.may_show()) lane.failure = std::make_unique<Failure>(stopped());
    if (!lane.failure) content_came();
    while (!lane.failure) {
        if (asker_.needs_room(lane.steps) && !room_was_made(co_await asker_.make_room())) break;
        if (!was_shown() || lane.steps.finish) break;
        lane.steps = {};  // what waits holds no buffers
        came(lane, co_await lane.stream->next(
                       lane.steps, deadline_.earlier(Deadline(now() + lane.target->deadlines.between_tokens))));
    }
    end_record(lane);
}

async::Task<std::optional<ModelRequest>> ModelCall::prepare(Lane& lane, Step step) {
    lane.target = &route_.targets[step.target];
    auto request = co_await asker_.ask(*lane.target, step);
    if (!request) {
        if (request.error().code == base::Errc::too_large)
            lane.failure =
                std::make_unique<Failure>(Failure{FailureKind::context_too_long, std::move(request.error())});
        else
            ours_ = std::make_unique<base::Error>(std::move(request.error()));
        co_return std::nullopt;
    }
    co_return std::move(*request);
}

void ModelCall::add_record(Lane& lane, std::size_t target) {
    lane.is_called = true;
    lane.record = attempts_.size();
    lane.began = now();
    attempts_.push_back({.target = target, .reported = std::nullopt, .prompt_estimate = asker_.prompt_tokens()});
}

Deadline ModelCall::first_token_deadline(const Lane& lane) const {
    return deadline_.earlier(Deadline(lane.began + lane.target->deadlines.first_token));
}

async::Task<void> ModelCall::open() {
    const auto before = std::exchange(lane_, std::make_shared<Lane>());
    const auto request = co_await prepare(*lane_, policy_.latest());
    if (!request) {
        // Of more use than that the small window of a last resort is too small.
        if (lane_->failure && before) lane_->failure->error = before->failure->error;
        co_return;
    }
    add_record(*lane_, policy_.latest().target);
    co_await begin(*lane_, *request, stop_, first_token_deadline(*lane_));
}

async::Task<void> ModelCall::begin(Lane& lane, const ModelRequest& request, std::stop_token stop, Deadline deadline) {
    if (opened(lane, co_await lane.target->provider->open(request, std::move(stop), deadline))) {
        do came(lane, co_await lane.stream->next(lane.steps, deadline));
        while (!lane.failure && !has_content(lane.steps));
    }
    lane.is_done = true;
}

bool ModelCall::opened(Lane& lane, Attempt<std::unique_ptr<AnswerStream>>&& stream) {
    if (stream)
        lane.stream = std::move(*stream);
    else
        lane.failure = std::make_unique<Failure>(std::move(stream.error()));
    return !lane.failure;
}

void ModelCall::came(Lane& lane, Attempt<void>&& read) {
    if (lane.steps.usage) lane.usage = lane.steps.usage;
    if (!read) lane.failure = std::make_unique<Failure>(std::move(read.error()));
}

// -- two beside each other -------------------------------------------------------------------------------------------

std::optional<Milliseconds> ModelCall::hedge_delay() const {
    if (route_.hedge.kind == Hedge::Kind::off || begun_ != SoFar::nothing || !attempts_.empty() ||
        route_.targets.size() < 2)
        return std::nullopt;
    if (route_.hedge.kind == Hedge::Kind::fixed) return route_.hedge.delay;
    return parts_.resilience.first_tokens.p95(target().name, asker_.prompt_tokens());
}

async::Task<void> ModelCall::begin_in_race(std::shared_ptr<Lane> lane, ModelRequest request, Deadline deadline) {
    try {
        co_await begin(*lane, request, lane->race->stop.get_token(), deadline);
    } catch (...) {  // whoever waits for it must know
        lane->race->bug = std::current_exception();
        lane->failure =
            std::make_unique<Failure>(Failure{FailureKind::failed, {.code = base::Errc::internal, .message = "bug"}});
        lane->is_done = true;
    }
    // The loser's connection is closed by its own task.
    if (lane->race->stop.stop_requested()) lane->stream.reset();
    lane->race->waiter->wake();
}

// It ends with the turn, or when it has lost.
void ModelCall::join_race(const std::shared_ptr<Lane>& lane, std::shared_ptr<async::Waiter> waiter,
                          ModelRequest request) {
    lane->race = std::make_unique<Race>(stop_, std::move(waiter));
    parts_.tasks.spawn(begin_in_race(lane, std::move(request), first_token_deadline(*lane)));
}

async::Task<void> ModelCall::race() {
    const Milliseconds delay = *hedge_delay();
    auto first = std::make_shared<Lane>();
    lane_ = first;
    auto request = co_await prepare(*first, policy_.latest());
    if (!request) co_return;
    add_record(*first, policy_.latest().target);
    join_race(first, async::Waiter::make(parts_.executor), std::move(*request));
    const Deadline start(first->began + delay);
    for (bool waits = true; waits && !first->is_done;) {
        co_await first->race->waiter->wait(start);
        waits = !start.passed(std::chrono::steady_clock::now());
    }
    std::shared_ptr<Lane> second;
    if (first->is_done || !co_await start_second(second)) {
        while (!first->is_done) co_await first->race->waiter->wait(Deadline::never());
        co_return;
    }
    // The first one with content wins; one that fails leaves the answer to the other.
    const auto has_won = [](const Lane& lane) { return lane.is_done && !lane.failure; };
    while (!has_won(*first) && !has_won(*second) && !(first->is_done && second->is_done))
        co_await first->race->waiter->wait(Deadline::never());
    if (has_won(*first))
        settle_race(first, second);
    else
        settle_race(second, first);
}

async::Task<bool> ModelCall::start_second(std::shared_ptr<Lane>& lane) {
    const std::size_t first = policy_.latest().target;
    const Step step = policy_.hedge(now());
    if (!step.is_call()) co_return false;
    policy_.now_at(first);
    lane = std::make_shared<Lane>();
    auto request = co_await prepare(*lane, step);
    if (!request) {
        ours_.reset();  // for want of a budget, for example; the first one goes on
        co_return false;
    }
    if (lane_->is_done) co_return false;  // it was not needed
    add_record(*lane, step.target);
    parts_.metrics.decision("hedge", "started");
    join_race(lane, lane_->race->waiter, std::move(*request));
    co_return true;
}

void ModelCall::settle_race(const std::shared_ptr<Lane>& winner, const std::shared_ptr<Lane>& loser) {
    const std::size_t place = attempts_[winner->record].target;
    if (loser->is_done && loser->failure) {
        end_record(*loser);
        policy_.now_at(std::max(place, attempts_[loser->record].target));
    } else {
        loser->race->stop.request_stop();           // its own task closes the connection,
        if (loser->is_done) loser->stream.reset();  // or has ended already
        AttemptRecord& record = attempts_[loser->record];
        record.lost_race = true;
        record.is_over = true;
        record.time = std::chrono::duration_cast<Milliseconds>(now() - loser->began);
        record.reported = loser->usage;
        // Without the slow ones the usual time would sink from window to window, and ever more calls be hedged.
        if (loser->record == 0)
            parts_.resilience.first_tokens.add(loser->target->name, record.prompt_estimate, record.time);
        parts_.metrics.attempt(loser->target->provider_name, record.outcome());
    }
    lane_ = winner;
    if (winner->failure) return;
    policy_.now_at(place);
    if (winner->record != 0) parts_.metrics.decision("hedge", "won");
}

// -- content and ends ------------------------------------------------------------------------------------------------

void ModelCall::content_came() {
    AttemptRecord& record = attempts_[lane_->record];
    record.had_content = true;
    const auto after = std::chrono::duration_cast<Milliseconds>(now() - lane_->began);
    parts_.resilience.breakers.answered(lane_->target->provider_name);
    parts_.resilience.first_tokens.add(lane_->target->name, record.prompt_estimate, after);
    asker_.answering(*lane_->target, after);
    if (shown_by_ && *shown_by_ != record.target) {
        asker_.rerouted({.from = &route_.targets[*shown_by_],
                         .to = &route_.targets[record.target],
                         .reason = shown_until_,
                         .restarts = policy_.latest().restarts});
        parts_.metrics.decision("reroute", base::to_string(shown_until_));
    }
    shown_by_ = record.target;
}

bool ModelCall::room_was_made(base::Result<void>&& room) {
    if (!room) ours_ = std::make_unique<base::Error>(std::move(room.error()));
    return room.has_value();
}

bool ModelCall::was_shown() {
    if (auto shown = asker_.show(lane_->steps); !shown) ours_ = std::make_unique<base::Error>(std::move(shown.error()));
    return !ours_;
}

void ModelCall::end_record(Lane& lane) {
    AttemptRecord& record = attempts_[lane.record];
    record.is_over = true;
    record.time = std::chrono::duration_cast<Milliseconds>(now() - lane.began);
    record.reported = lane.usage;
    if (!lane.failure && !ours_) {
        record.end = AttemptRecord::End::ok;
        parts_.resilience.breakers.succeeded(lane.target->provider_name);
    } else if (lane.failure && lane.failure->kind != FailureKind::stopped) {
        record.end = AttemptRecord::End::failed;
        record.code = lane.failure->error.code;
        if (lane.failure->kind == FailureKind::context_too_long)
            asker_.was_too_long(*lane.target, lane.failure->context_window);
        if (speaks_against_provider(lane.failure->kind))
            parts_.resilience.breakers.failed(lane.target->provider_name, now());
        else if (is_of_the_request(lane.failure->kind))
            parts_.resilience.breakers.succeeded(lane.target->provider_name);
    }
    if (record.had_content && (record.end != AttemptRecord::End::ok || !record.reported)) {
        const chat::Usage given = asker_.take_given();
        record.output_estimate = given.output;
        record.reasoning_estimate = given.reasoning;
    }
    parts_.metrics.attempt(lane.target->provider_name, record.outcome());
    lane.stream.reset();
}

bool ModelCall::goes_on() {
    const Failure& failure = *lane_->failure;
    const bool had_content = lane_->is_called && attempts_[lane_->record].had_content;
    if (stop_.stop_requested() || deadline_.passed(now())) return false;
    if (had_content) shown_until_ = failure.error.code;
    const Step before = policy_.latest();
    const Step step = policy_.next(failure, had_content, asker_.so_far(), now(), unit_random(parts_.random), deadline_);
    if (!step.is_call()) return false;
    if (step.less_context && !before.less_context && !asker_.can_ask_less()) return false;
    if (step.target == before.target) parts_.metrics.decision("retry", lane_->target->provider_name);
    return true;
}

// False: the turn was stopped meanwhile.
async::Task<bool> ModelCall::pause(Milliseconds time) {
    const auto waiter = async::Waiter::make(parts_.executor);
    const std::stop_callback wake(stop_, [&waiter] { waiter->wake(); });
    co_await waiter->wait(Deadline::after(time));
    co_return !stop_.stop_requested();
}

}  // namespace tertulia::models
