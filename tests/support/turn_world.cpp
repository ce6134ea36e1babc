#include "tests/support/turn_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace tertulia::test {
namespace {

// Dear to make, and of no influence.
telemetry::Metrics& shared_metrics() {
    static telemetry::Metrics metrics;
    return metrics;
}
models::ModelLimits& shared_limits() {
    static models::ModelLimits limits;
    return limits;
}

base::Error disk_full() {
    return {.code = base::Errc::unavailable, .message = "The disk is full."};
}

// The newest message of the user's own.
std::string asked(const models::ModelRequest& request) {
    for (auto message = request.messages.rbegin(); message != request.messages.rend(); ++message) {
        const std::string text = chat::text_of(message->content);
        if (message->role == chat::Role::user && text.starts_with("m:")) return text;
    }
    return {};
}

}  // namespace

// -- the gate --------------------------------------------------------------------------------------------------------

async::Task<std::string> Gate::decide(std::string what, std::vector<std::string> outcomes, std::stop_token stop) {
    if (stop.stop_requested()) co_return "";
    if (is_open) {
        const auto wished = std::ranges::find_first_of(wishes, outcomes);
        std::string outcome = wished == wishes.end() ? outcomes.front() : *wished;
        if (wished != wishes.end()) wishes.erase(wished);
        co_return outcome;
    }
    const auto call = std::make_shared<PendingCall>(PendingCall{
        .what = std::move(what), .outcomes = std::move(outcomes), .waiter = async::Waiter::make(executor_)});
    pending_.push_back(call);
    const std::stop_callback wake(stop, [&call] { call->waiter->wake(); });
    while (!call->outcome && !stop.stop_requested()) co_await call->waiter->wait(base::Deadline::never());
    if (call->outcome) co_return call->outcomes[*call->outcome];
    std::erase(pending_, call);
    co_return "";
}

void Gate::end(std::size_t call, std::size_t outcome) {
    const auto ended = pending_.at(call);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(call));
    ended->outcome = outcome;
    ended->waiter->wake();
}

// -- the store -------------------------------------------------------------------------------------------------------

async::Task<bool> GatedStore::is_done(std::string what) {
    std::vector<std::string> outcomes{"is done"};
    if (fails) outcomes.push_back("fails");
    co_return co_await gate_.decide(std::move(what), std::move(outcomes)) == "is done";
}

async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> GatedStore::open(sessions::SessionKey key,
                                                                                     std::int64_t max_messages,
                                                                                     std::int64_t max_bytes) {
    if (gates_reads && !co_await is_done("reading the session")) co_return std::unexpected(disk_full());
    co_return co_await memory.open(std::move(key), max_messages, max_bytes);
}

void GatedStore::lose_claims() {
    for (const auto& [turn_id, stop] : std::exchange(claims, {})) {
        told[turn_id].is_lost = true;
        stop(sessions::TurnState::interrupted);
    }
}

async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> GatedStore::open_turn(
    sessions::TurnOpening opening) {
    if (!co_await is_done("claiming the session")) co_return std::unexpected(disk_full());
    EXPECT_TRUE(claims.empty()) << "one turn at a time";
    claims.emplace(opening.turn.turn_id, std::move(opening.stop));
    co_return co_await memory.open(std::move(opening.turn.key), opening.max_messages, opening.max_bytes);
}

async::Task<base::Result<void>> GatedStore::abandon_turn(sessions::TurnName turn) {
    const bool done = co_await is_done("giving the claim back");
    EXPECT_TRUE(claims.erase(turn.turn_id) == 1 || told[turn.turn_id].is_lost) << "there was one";
    if (!done) co_return std::unexpected(disk_full());
    co_return base::Result<void>();
}

async::Task<base::Result<void>> GatedStore::hand_over(sessions::TurnName turn) {
    EXPECT_FALSE(checkpoints.empty());
    const bool done = co_await is_done("handing the turn over");
    if (told[turn.turn_id].is_lost) co_return base::fail(base::Errc::not_found, "It is another's.");
    if (!done) co_return std::unexpected(disk_full());
    claims.erase(turn.turn_id);
    told[turn.turn_id].is_handed = true;
    co_return base::Result<void>();
}

async::Task<base::Result<std::int64_t>> GatedStore::begin_turn(sessions::TurnStart start) {
    if (!co_await is_done("storing the message")) co_return std::unexpected(disk_full());
    const std::string turn_id = start.message.turn_id;
    if (told[turn_id].is_lost) co_return base::fail(base::Errc::conflict, "It is another's.");
    EXPECT_EQ(claims.contains(turn_id), shared);
    auto begun = co_await memory.begin_turn(std::move(start));
    told[turn_id].is_begun = begun.has_value();
    co_return begun;
}

async::Task<base::Result<void>> GatedStore::end_turn(sessions::TurnEnd end) {
    const std::string turn_id = end.message.turn_id;
    base::Result<void> kept = std::unexpected(disk_full());
    told[turn_id].state = end.message.state;
    told[turn_id].content = end.message.content;
    told[turn_id].end_met_checkpoint = being_saved_.contains(turn_id);
    if (co_await is_done("storing the answer"))
        kept = told[turn_id].is_lost ? base::Result<void>(base::fail(base::Errc::not_found, "It is another's."))
                                     : co_await memory.end_turn(std::move(end));
    claims.erase(turn_id);
    told[turn_id].end_returned = true;
    told[turn_id].end_is_kept = kept.has_value();
    co_return kept;
}

async::Task<base::Result<void>> GatedStore::checkpoint(std::vector<sessions::TurnCheckpoint> pieces) {
    checkpoints.push_back(pieces);
    for (const auto& piece : pieces) being_saved_.insert(piece.turn->turn_id);
    const bool done = co_await is_done("storing a checkpoint");
    for (const auto& piece : pieces) being_saved_.erase(being_saved_.find(piece.turn->turn_id));
    if (!done) co_return std::unexpected(disk_full());
    co_return co_await memory.checkpoint(std::move(pieces));
}

// -- the provider ----------------------------------------------------------------------------------------------------

class GatedProvider::Stream final : public models::AnswerStream {
  public:
    Stream(GatedProvider& provider, std::string message, std::stop_token stop)
        : provider_(provider), message_(std::move(message)), stop_(std::move(stop)) {
        ++provider_.running;
    }
    ~Stream() override { --provider_.running; }

    async::Task<models::Attempt<void>> next(chat::AnswerEvents& into, base::Deadline) override {
        using Kind = chat::AnswerEvents::Kind;
        into.clear();
        std::vector<std::string> ways = provider_.ways_to_go_on;
        if (step_ >= provider_.most_steps) std::erase(ways, "says");
        if (step_ >= provider_.most_steps || !provider_.given[message_].empty()) std::erase(ways, "begins anew");
        const std::string way = co_await provider_.gate_.decide("the answer to " + message_, std::move(ways), stop_);
        if (way.empty()) co_return std::unexpected(models::Failure{models::FailureKind::stopped, {}});
        if (way == "throws") throw std::runtime_error("a bug of the provider");
        if (way == "breaks")
            co_return std::unexpected(models::Failure{
                models::FailureKind::broken, {.code = base::Errc::upstream_unavailable, .message = "It broke off."}});
        if (way == "begins anew") {
            into.add(Kind::thinking, 0, "hm");
            into.add(Kind::restart, 0, {});
            into.add(Kind::thinking, 0, "so");
            into.add(Kind::signature, 0, "sig");
        } else {
            const std::string text = way == "finishes" ? "end." : "word" + std::to_string(step_) + " ";
            into.add(Kind::text, 1, text);
            provider_.given[message_] += text;
        }
        ++step_;
        if (way == "finishes") into.finish = chat::StopReason::end_turn;
        co_return models::Attempt<void>{};
    }

  private:
    GatedProvider& provider_;
    const std::string message_;
    const std::stop_token stop_;
    std::size_t step_ = 0;
};

async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> GatedProvider::open(
    const models::ModelRequest& request, std::stop_token stop, base::Deadline) {
    using models::FailureKind;
    const std::string message = asked(request);
    given[message].clear();
    const std::string way = co_await gate_.decide("the model for " + message, ways_to_open, stop);
    const auto failure = [](FailureKind kind, base::Errc code) {
        return std::unexpected(models::Failure{kind, {.code = code, .message = "No."}});
    };
    if (way.empty()) co_return failure(FailureKind::stopped, base::Errc::conflict);
    if (way == "throws") throw std::runtime_error("a bug of the provider");
    if (way == "rejects") co_return failure(FailureKind::rejected, base::Errc::upstream_rejected);
    if (way == "too long") co_return failure(FailureKind::context_too_long, base::Errc::upstream_rejected);
    if (way == "breaks") co_return failure(FailureKind::broken, base::Errc::upstream_unavailable);
    co_return std::make_unique<Stream>(*this, message, std::move(stop));
}

// -- the world -------------------------------------------------------------------------------------------------------

TurnWorld::TurnWorld(bool with_checkpoints)
    : tasks(executor, [](const std::string& what) { ADD_FAILURE() << what; }),
      checkpoints({.store = store, .clock = clock, .log = log, .metrics = shared_metrics()},
                  {.interval = base::Milliseconds(with_checkpoints ? 1 : 0), .bytes = 1}),
      service({.store = store,
               .registry = registry,
               .logs = logs,
               .keys = keys,
               .checkpoints = checkpoints,
               .spending = spending,
               .models = models,
               .limits = shared_limits(),
               .resilience = resilience,
               .tasks = tasks,
               .executor = executor,
               .clock = clock,
               .random = base::system_random(),
               .log = log,
               .metrics = shared_metrics()},
              {.default_model = "gated/m"}) {
    auto gated = std::make_unique<GatedProvider>(gate);
    provider = gated.get();
    models.add("gated", {.provider = std::move(gated)});
    if (with_checkpoints) tasks.spawn(checkpoints.run(executor));
    settle();
}

TurnWorld::~TurnWorld() {
    // Also where a test has failed everything comes to its end.
    gate.is_open = true;
    while (!gate.pending().empty()) {
        gate.end(0, 0);
        settle();
    }
    checkpoints.stop();
    settle();
    EXPECT_EQ(tasks.size(), 0u) << "a task is left";
}

}  // namespace tertulia::test
