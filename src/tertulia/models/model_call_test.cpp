#include "tertulia/models/model_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/async/worker.h"
#include "tertulia/telemetry/prometheus_metrics.h"
#include "tests/support/fake_provider.h"

namespace tertulia::models {
namespace {

using test::FakeProvider;
using testing::ElementsAre;
using Answer = FakeProvider::Answer;

Failure failure(FailureKind kind, base::Errc code = base::Errc::upstream_unavailable) {
    return {kind, {.code = code, .message = "no"}};
}

// Keeps what it is shown.
class KeepingAsker final : public Asker {
  public:
    bool can_ask_less() const override { return true; }
    async::Task<base::Result<ModelRequest>> ask(const ModelRef& target, const Step& step) override {
        if (on_ask && !asked.empty()) co_await on_ask();
        if (refuses_at && *refuses_at == asked.size() && !(refuses_only_once && std::exchange(has_refused, true)))
            co_return base::fail(refuses_as, "no");
        asked.push_back(step.form);
        co_return ModelRequest{.model = target.model, .messages = {{}}};
    }
    std::int64_t prompt_tokens() const override { return 10; }
    async::Task<bool> may_show() override { co_return shows; }
    bool needs_room(const chat::AnswerEvents&) const override { return false; }
    async::Task<base::Result<void>> make_room() override { co_return base::Result<void>(); }
    base::Result<void> show(const chat::AnswerEvents& steps) override {
        if (on_show) on_show();
        for (const auto& event : steps.events()) {
            text += steps.bytes(event.text);
            given.output += 1;
            if (event.kind == chat::AnswerEvents::Kind::tool_call) calls_tools = true;
        }
        return {};
    }
    void answering(const ModelRef& by, base::Milliseconds) override { answered.push_back(by.name); }
    void rerouted(const Reroute& reroute) override {
        reroutes.push_back(reroute.from->name + ">" + reroute.to->name + (reroute.restarts ? " anew" : ""));
        if (reroute.restarts) text.clear();
    }
    void was_too_long(const ModelRef& target, std::optional<std::int64_t> context_window) override {
        too_long[target.name] = context_window;
    }
    SoFar so_far() const override {
        if (calls_tools) return SoFar::other;
        return text.empty() ? SoFar::nothing : SoFar::text;
    }
    chat::Usage take_given() override { return std::exchange(given, {}); }

    std::vector<Form> asked;
    std::vector<std::string> answered, reroutes;
    std::map<std::string, std::optional<std::int64_t>> too_long;
    std::string text;
    chat::Usage given;
    bool shows = true;
    bool calls_tools = false;
    std::optional<std::size_t> refuses_at;
    base::Errc refuses_as = base::Errc::budget_exceeded;
    bool refuses_only_once = false, has_refused = false;
    std::function<void()> on_show;
    /// Before the answers to all questions but the first.
    std::function<async::Task<void>()> on_ask;
};

class ModelCallTest : public testing::Test {
  protected:
    ModelCallTest() {
        for (const char* name : {"a", "b", "c"}) {
            auto provider = std::make_unique<FakeProvider>();
            providers.push_back(provider.get());
            directory.add(name, {.provider = std::move(provider)});
        }
        worker.start("test");
    }
    ~ModelCallTest() override {
        worker.run_until_done([](async::TaskGroup& tasks) -> async::Task<void> {
            co_await tasks.join(base::Deadline::after(std::chrono::seconds(10)));
        }(worker.tasks()));
        worker.join();
    }

    // Runs a call of the targets a, b and c, and says how it ended.
    std::string run(Hedge hedge = {}) {
        if (!resilience || !keeps_resilience)
            resilience.emplace(models::Resilience::Settings{.retry = settings, .retry_share = 1.0});
        for (const char* name : failed_targets)
            for (int i = 0; i < failed_before; ++i) resilience->breakers.failed(name, base::system_clock().steady());
        EXPECT_TRUE(directory.add_route("r", {"a/m", "b/m", "c/m"}, hedge));
        call.emplace(ModelCall::Parts{.resilience = *resilience,
                                      .tasks = worker.tasks(),
                                      .executor = worker.executor(),
                                      .clock = base::system_clock(),
                                      .random = base::system_random(),
                                      .metrics = metrics},
                     *directory.resolve("r"), false, asker, stop.get_token());
        std::string end;
        worker.run_until_done(run_call(*call, end));
        return end;
    }
    static async::Task<void> run_call(ModelCall& call, std::string& end) {
        if (auto chosen = call.choose_first(); !chosen) {
            end = base::to_string(chosen.error().code);
            co_return;
        }
        try {
            co_await call.run(base::Deadline::after(std::chrono::seconds(30)));
            const auto reason = call.outcome();
            end = reason ? chat::to_string(*reason) : base::to_string(reason.error().error.code);
        } catch (const std::runtime_error& bug) {
            end = bug.what();
        }
    }
    std::vector<std::string> outcomes() const {
        std::vector<std::string> all;
        for (const AttemptRecord& record : call->attempts())
            all.push_back(call->targets()[record.target].name.substr(0, 1) + ":" + std::string(record.outcome()));
        return all;
    }
    static Answer refusal(FailureKind kind) { return {.refusal = failure(kind)}; }
    static Answer cut(std::string_view text) {
        return {.reads = {FakeProvider::text(text)}, .failure = failure(FailureKind::broken)};
    }

    async::Worker worker{[](const std::string& what) { ADD_FAILURE() << what; }};
    std::optional<Resilience> resilience;
    bool keeps_resilience = false;  // from call to call
    int failed_before = 0;          // calls of each target in a row
    std::vector<const char*> failed_targets{"a", "b", "c"};
    RetrySettings settings{.attempts = 3, .base = base::Milliseconds(1), .max = base::Milliseconds(2)};
    const std::unique_ptr<telemetry::Metrics> counted = telemetry::make_prometheus_metrics();
    telemetry::Metrics& metrics = *counted;
    ModelDirectory directory;
    std::vector<FakeProvider*> providers;
    KeepingAsker asker;
    std::stop_source stop;
    std::optional<ModelCall> call;
};

TEST_F(ModelCallTest, AnAnswerTakesOneCall) {
    providers[0]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_EQ(asker.text, "hello");
    EXPECT_THAT(outcomes(), ElementsAre("a:ok"));
    EXPECT_THAT(asker.answered, ElementsAre("a/m"));
}

TEST_F(ModelCallTest, BeforeContentFailuresAreInvisible) {
    providers[0]->script = {
        refusal(FailureKind::overloaded), refusal(FailureKind::unreachable), {.failure = failure(FailureKind::broken)}};
    providers[1]->script = {refusal(FailureKind::denied)};
    providers[2]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_EQ(asker.text, "hello");
    EXPECT_TRUE(asker.reroutes.empty());
    EXPECT_THAT(outcomes(), ElementsAre("a:upstream_unavailable", "a:upstream_unavailable", "a:upstream_unavailable",
                                        "b:upstream_unavailable", "c:ok"));
}

TEST_F(ModelCallTest, ACutAnswerGoesOnAtTheNextTarget) {
    providers[0]->script = {cut("one ")};
    providers[1]->prefill = true;
    providers[1]->script = {cut("two ")};
    providers[2]->script = {FakeProvider::whole("three")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_EQ(asker.text, "one two three");
    EXPECT_THAT(asker.asked, ElementsAre(Form::whole, Form::prefill, Form::instruction));
    EXPECT_THAT(asker.reroutes, ElementsAre("a/m>b/m", "b/m>c/m"));
    EXPECT_EQ(call->attempts()[0].usage().output, 1);
    EXPECT_TRUE(call->attempts()[0].is_billed());
    EXPECT_EQ(call->target().name, "c/m");
}

TEST_F(ModelCallTest, ARerouteNamesWhoGaveTheTextAndWhoGoesOn) {
    providers[0]->script = {cut("one ")};
    providers[1]->script = {refusal(FailureKind::failed)};
    providers[2]->script = {FakeProvider::whole("two")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_THAT(asker.reroutes, ElementsAre("a/m>c/m"));
}

TEST_F(ModelCallTest, AnAnswerThatCalledAToolBeginsAnew) {
    FakeProvider::Steps steps;
    steps.add(chat::AnswerEvents::Kind::tool_call, 0, "f", "1");
    providers[0]->script = {{.reads = {steps}, .failure = failure(FailureKind::broken)}};
    providers[1]->script = {FakeProvider::whole("sorry")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_THAT(asker.reroutes, ElementsAre("a/m>b/m anew"));
    EXPECT_EQ(asker.text, "sorry");
}

TEST_F(ModelCallTest, TheLastFailureIsTold) {
    for (FakeProvider* provider : providers) provider->script = {refusal(FailureKind::quota)};
    providers[2]->script = {{.refusal = failure(FailureKind::timed_out, base::Errc::timed_out)}};
    EXPECT_EQ(run(), "timed_out");
}

TEST_F(ModelCallTest, AnErrorOfTheAskersEndsTheCall) {
    providers[0]->script = {refusal(FailureKind::denied)};
    asker.refuses_at = 1;
    EXPECT_EQ(run(), "budget_exceeded");
    EXPECT_THAT(outcomes(), ElementsAre("a:upstream_unavailable"));
}

TEST_F(ModelCallTest, AWindowThatWasTooSmallIsTold) {
    providers[0]->script = {{.refusal = Failure{FailureKind::context_too_long, {.message = "no"}, 8192}}};
    providers[1]->script = {refusal(FailureKind::context_too_long)};
    providers[2]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_THAT(asker.too_long, ElementsAre(testing::Pair("a/m", 8192), testing::Pair("b/m", std::nullopt)));
}

TEST_F(ModelCallTest, ATargetThatTheRequestDoesNotFitIsPassedOver) {
    asker.refuses_as = base::Errc::too_large;
    asker.refuses_at = 1;
    providers[0]->script = {cut("one ")};
    providers[2]->script = {FakeProvider::whole("two")};
    EXPECT_EQ(run(), "upstream_unavailable");  // neither b nor c, and no other to ask
    EXPECT_THAT(outcomes(), ElementsAre("a:upstream_unavailable"));
    asker.refuses_only_once = true;
    asker.asked.clear();
    providers[0]->script = {cut("one ")};
    EXPECT_EQ(run(), "end_turn");
    EXPECT_THAT(outcomes(), ElementsAre("a:upstream_unavailable", "c:ok"));
    EXPECT_TRUE(providers[1]->requests.empty());
}

TEST_F(ModelCallTest, WhatMayNotBeShownEndsTheCall) {
    asker.shows = false;
    EXPECT_EQ(run(), "unavailable");
    EXPECT_EQ(asker.text, "");
    EXPECT_THAT(outcomes(), ElementsAre("a:cancelled"));
}

TEST_F(ModelCallTest, AStopEndsAWaitForTheNextTry) {
    settings = {.attempts = 3, .base = std::chrono::hours(1), .max = std::chrono::hours(1)};
    providers[0]->script = {
        {.refusal = Failure{
             FailureKind::overloaded,
             {.code = base::Errc::upstream_unavailable, .message = "no", .retry_after = std::chrono::seconds(20)}}}};
    stop.request_stop();
    EXPECT_EQ(run(), "unavailable");
    EXPECT_THAT(outcomes(), ElementsAre("a:upstream_unavailable"));
}

TEST_F(ModelCallTest, OpenBreakersAreToldAtOnce) {
    failed_before = 5;
    EXPECT_EQ(run(), "upstream_unavailable");
    EXPECT_TRUE(asker.asked.empty());
}

constexpr Hedge at_once{.kind = Hedge::Kind::fixed, .delay = base::Milliseconds(1)};

TEST_F(ModelCallTest, ASilentFirstTargetLosesAgainstTheSecond) {
    providers[0]->script = {{.reads = {FakeProvider::text("late", chat::StopReason::end_turn)},
                             .gate = async::Waiter::make(worker.executor())}};
    providers[1]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_EQ(asker.text, "hello");
    EXPECT_THAT(outcomes(), ElementsAre("a:cancelled", "b:ok"));
    EXPECT_TRUE(call->attempts()[0].lost_race);
    EXPECT_TRUE(call->attempts()[0].is_billed());
    EXPECT_EQ(call->attempts()[0].usage().input, 10);
    EXPECT_TRUE(asker.reroutes.empty());
}

TEST_F(ModelCallTest, AFirstTargetThatAnswersInTimeStartsNoOther) {
    providers[0]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run({.kind = Hedge::Kind::fixed, .delay = std::chrono::seconds(20)}), "end_turn");
    EXPECT_TRUE(providers[1]->requests.empty());
    EXPECT_THAT(outcomes(), ElementsAre("a:ok"));
}

TEST_F(ModelCallTest, TheFirstCallOfARaceNeedNotBeTheFirstTargets) {
    failed_before = 5;
    failed_targets = {"a"};
    const auto gate = async::Waiter::make(worker.executor());
    providers[1]->script = {{.reads = {FakeProvider::text("hello", chat::StopReason::end_turn)}, .gate = gate}};
    providers[2]->script = {{.gate = async::Waiter::make(worker.executor())}};
    providers[2]->on_open = [gate] { gate->wake(); };
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_THAT(outcomes(), ElementsAre("b:ok", "c:cancelled"));
    EXPECT_THAT(metrics.render(), testing::Not(testing::HasSubstr("won")));
}

TEST_F(ModelCallTest, ARaceIsWonByWhoeverDoesNotFail) {
    auto gate = async::Waiter::make(worker.executor());
    providers[0]->script = {{.reads = {FakeProvider::text("hello", chat::StopReason::end_turn)}, .gate = gate}};
    providers[1]->script = {refusal(FailureKind::failed)};
    providers[1]->on_open = [gate] { gate->wake(); };
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_EQ(asker.text, "hello");
    EXPECT_THAT(outcomes(), ElementsAre("a:ok", "b:upstream_unavailable"));
    EXPECT_FALSE(call->attempts()[1].is_billed());
}

TEST_F(ModelCallTest, WhenBothFailTheNextTargetsTurnComes) {
    auto gate = async::Waiter::make(worker.executor());
    providers[0]->script = {{.failure = failure(FailureKind::timed_out), .gate = gate}};
    providers[1]->script = {refusal(FailureKind::failed)};
    providers[1]->on_open = [gate] { gate->wake(); };
    providers[2]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_EQ(asker.text, "hello");
    EXPECT_EQ(call->target().name, "c/m");
}

TEST_F(ModelCallTest, AStopEndsTheWinnerOfARaceInMidStream) {
    for (const bool second_wins : {false, true}) {
        SCOPED_TRACE(second_wins);
        stop = {};
        const auto never = async::Waiter::make(worker.executor());
        const auto gate = async::Waiter::make(worker.executor());
        const Answer silent{.gate = never};
        // Its second read waits for a stop.
        const Answer half{.reads = {FakeProvider::text("half")}, .gate = gate, .gate_at = 1};
        providers[0]->script = {second_wins ? silent : half};
        providers[1]->script = {half};
        asker.on_show = [this] { stop.request_stop(); };
        EXPECT_EQ(run(at_once), "unavailable");
        EXPECT_EQ(outcomes().back().substr(1), ":cancelled");
        EXPECT_TRUE(call->attempts().back().had_content);
    }
}

TEST_F(ModelCallTest, AStopDuringARaceEndsBoth) {
    const auto never = async::Waiter::make(worker.executor());
    for (const int i : {0, 1}) providers[static_cast<std::size_t>(i)]->script = {{.gate = never}};
    providers[1]->on_open = [this] { stop.request_stop(); };
    EXPECT_EQ(run(at_once), "unavailable");
    EXPECT_THAT(outcomes(), ElementsAre("a:cancelled", "b:cancelled"));
    for (const AttemptRecord& record : call->attempts()) EXPECT_FALSE(record.is_billed());
    EXPECT_THAT(metrics.render(), testing::Not(testing::HasSubstr("won")));
}

TEST_F(ModelCallTest, ABugInARaceIsOneOfTheCalls) {
    const auto gate = async::Waiter::make(worker.executor());
    providers[0]->script = {{.throws = true}};
    EXPECT_EQ(run(at_once), "a bug of the provider");
    // Where the other one answers, it is as good as a failure.
    providers[1]->on_open = [gate] { gate->wake(); };
    providers[0]->script = {{.reads = {FakeProvider::text("hello", chat::StopReason::end_turn)}, .gate = gate}};
    providers[1]->script = {{.throws = true}};
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_THAT(outcomes(), ElementsAre("a:ok", "b:internal"));
}

TEST_F(ModelCallTest, ContentThatComesWhileTheSecondCallIsPreparedMakesItNeedless) {
    const auto gate = async::Waiter::make(worker.executor());
    providers[0]->script = {{.reads = {FakeProvider::text("hello", chat::StopReason::end_turn)}, .gate = gate}};
    asker.on_ask = [this, gate]() -> async::Task<void> {
        gate->wake();
        // As long as the store takes; the first call goes on meanwhile.
        co_await async::Waiter::make(worker.executor())->wait(base::Deadline::after(base::Milliseconds(20)));
    };
    EXPECT_EQ(run(at_once), "end_turn");
    EXPECT_TRUE(providers[1]->requests.empty());
    EXPECT_THAT(outcomes(), ElementsAre("a:ok"));
}

TEST_F(ModelCallTest, ARefusalOfTheRequestSaysNothingAgainstTheProvider) {
    failed_before = 4;
    for (const FailureKind kind : {FailureKind::rejected, FailureKind::context_too_long}) {
        providers[0]->script = {refusal(kind)};
        run();
        resilience->breakers.failed("a", base::system_clock().steady());
        EXPECT_TRUE(resilience->breakers.is_closed("a"));
    }
}

TEST_F(ModelCallTest, WithoutEnoughTimesP95StartsNothing) {
    providers[0]->script = {FakeProvider::whole("hello")};
    EXPECT_EQ(run({.kind = Hedge::Kind::p95}), "end_turn");
    EXPECT_TRUE(providers[1]->requests.empty());
}

// A hedged call's time is never known in full. Were it left out, only the fast ones would be kept, and the usual time
// would sink from window to window until every call is hedged.
TEST_F(ModelCallTest, TheUsualTimeOfACallIsKeptUpWhileItsSlowOnesAreHedged) {
    constexpr base::Milliseconds usual{3};
    const Hedge hedge{.kind = Hedge::Kind::p95};
    keeps_resilience = true;
    resilience.emplace();
    for (int i = 0; i < 64; ++i)
        resilience->first_tokens.add("a/m", asker.prompt_tokens(), i % 10 == 0 ? usual : base::Milliseconds(0));
    ASSERT_EQ(resilience->first_tokens.p95("a/m", asker.prompt_tokens()), usual);
    // Two windows of calls, of which the first target leaves one in ten unanswered.
    for (int i = 0; i < 128; ++i) {
        if (i % 10 != 0) {
            resilience->first_tokens.add("a/m", asker.prompt_tokens(), base::Milliseconds(0));
            continue;
        }
        providers[0]->script = {{.gate = async::Waiter::make(worker.executor())}};
        providers[1]->script = {FakeProvider::whole("hello")};
        ASSERT_EQ(run(hedge), "end_turn");
        ASSERT_THAT(outcomes(), ElementsAre("a:cancelled", "b:ok"));
        ASSERT_GE(resilience->first_tokens.p95("a/m", asker.prompt_tokens()), usual) << "after " << i;
    }
}

TEST(Hedge, IsOffOrATimeOrP95) {
    EXPECT_EQ(parse_hedge("off")->kind, Hedge::Kind::off);
    EXPECT_EQ(parse_hedge("p95")->kind, Hedge::Kind::p95);
    EXPECT_EQ(parse_hedge("800ms")->delay, base::Milliseconds(800));
    EXPECT_EQ(parse_hedge("2s")->delay, base::Milliseconds(2000));
    for (const char* bad : {"", "0ms", "-1ms", "800", "ms", "1h", "99999999999s", "1 ms", "601s"})
        EXPECT_FALSE(parse_hedge(bad)) << bad;
}

}  // namespace
}  // namespace tertulia::models
