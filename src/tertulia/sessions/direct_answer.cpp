#include "tertulia/sessions/direct_answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tertulia/base/random.h"
#include "tertulia/billing/bill.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/chat/repair.h"
#include "tertulia/models/model_call.h"
#include "tertulia/sessions/message_size.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn_result.h"

namespace tertulia::sessions {
namespace {

class DirectCall final : private models::Asker {
  public:
    DirectCall(const SessionService::Parts& parts, const SessionSettings& settings, DirectQuestion question,
               models::ModelRoute route, std::stop_token stop)
        : parts_(parts),
          settings_(settings),
          question_(std::move(question)),
          // A budget of each session holds for one such question alone.
          key_{.owner = question_.owner, .session_id = base::make_uuid(parts.random)},
          call_({.resilience = parts.resilience,
                 .tasks = parts.tasks,
                 .executor = parts.executor,
                 .clock = parts.clock,
                 .random = parts.random,
                 .metrics = parts.metrics},
                std::move(route), false, *this, std::move(stop)) {
        chat::repair_history(question_.messages);
        plain_tokens_ = models::estimate_tokens(question_.system);
        for (const chat::Message& message : question_.messages) plain_tokens_ += size_of(message).tokens();
    }

    async::Task<base::Result<DirectAnswer>> run(base::Deadline deadline) {
        const base::SteadyTime began = parts_.clock.steady();
        if (auto chosen = call_.choose_first(); !chosen) {
            parts_.metrics.call_ended({.state = "failed",
                                       .provider = "none",
                                       .code = base::to_string(chosen.error().code),
                                       .request_id = question_.request_id});
            co_return std::unexpected(chosen.error());
        }
        co_await call_.run(deadline);
        auto answered = answer();
        tell_end(answered, parts_.clock.steady() - began);
        co_await parts_.spending.close({.key = key_, .turn_id = {}});
        co_return answered;
    }

  private:
    bool can_ask_less() const override { return false; }

    async::Task<base::Result<models::ModelRequest>> ask(const models::ModelRef& target, const models::Step&) override {
        steps_.clear();
        const models::Limits limits = parts_.limits.limits(target.name, target.model);
        std::int64_t max_tokens = question_.max_tokens.value_or(settings_.max_tokens);
        if (limits.known) max_tokens = std::min(max_tokens, limits.context_window / 2);
        prompt_tokens_ = parts_.limits.estimate(target.name, plain_tokens_);
        if (limits.known && prompt_tokens_ > limits.context_window - max_tokens)
            co_return base::fail(base::Errc::too_large,
                                 fmt::format("The messages have about {} tokens; {} has room for {}.", prompt_tokens_,
                                             target.name, limits.context_window - max_tokens));
        release_reservations();
        auto reserved =
            co_await parts_.spending.reserve({.key = key_, .turn_id = {}}, 0, target.name, prompt_tokens_, max_tokens);
        if (!reserved) co_return std::unexpected(std::move(reserved.error()));
        reservations_.push_back(std::move(*reserved));
        co_return models::ModelRequest{.model = target.model,
                                       .system = question_.system,
                                       .messages = question_.messages,
                                       .stable_messages = 0,
                                       .tools = {},
                                       .tool_choice = {},
                                       .conversation = {},
                                       .max_tokens = max_tokens,
                                       .temperature = question_.temperature,
                                       .stop = {},
                                       .stream = target.always_stream};
    }

    std::int64_t prompt_tokens() const override { return prompt_tokens_; }
    async::Task<bool> may_show() override { co_return true; }
    bool needs_room(const chat::AnswerEvents&) const override { return false; }
    async::Task<base::Result<void>> make_room() override { co_return base::Result<void>(); }

    base::Result<void> show(const chat::AnswerEvents& steps) override {
        steps_.append(steps);
        if (steps_.byte_size() <= settings_.answer_bytes) return {};
        return base::fail(base::Errc::upstream_unavailable, "The answer is longer than limits.answer_bytes.");
    }

    void answering(const models::ModelRef& by, base::Milliseconds after) override {
        const double time = std::chrono::duration<double>(after).count();
        parts_.metrics.first_token(by.provider_name, time);
        if (!first_token_) first_token_ = time;
    }
    void rerouted(const models::Reroute&) override {}
    void was_too_long(const models::ModelRef& target, std::optional<std::int64_t> context_window) override {
        if (context_window) parts_.limits.lower_window(target.name, *context_window);
    }
    // Nobody has seen it: whoever is asked next begins anew.
    models::SoFar so_far() const override { return models::SoFar::nothing; }

    chat::Usage take_given() override {
        chat::Usage given;
        for (const chat::AnswerEvents::Event& event : steps_.events()) {
            const std::int64_t tokens = models::estimate_tokens(steps_.bytes(event.text));
            (event.kind == chat::AnswerEvents::Kind::thinking ? given.reasoning : given.output) += tokens;
        }
        return given;
    }

    void release_reservations() {
        reservations_.resize(call_.attempts().size());
        for (std::size_t i = 0; i < reservations_.size(); ++i)
            if (call_.attempts()[i].is_over) settle(i);
    }

    std::optional<billing::Bill> settle(std::size_t attempt) {
        const models::AttemptRecord& record = call_.attempts()[attempt];
        billing::Reservation reservation = std::move(reservations_[attempt]);
        if (!record.is_billed()) return std::nullopt;
        return parts_.spending.settle(
            std::move(reservation),
            {.model = call_.targets()[record.target].name, .usage = record.usage(), .is_hedge = record.lost_race});
    }

    void tell_end(const base::Result<DirectAnswer>& answered, base::SteadyTime::duration time) const {
        const models::ModelRef& by = call_.answering();
        telemetry::EndedTurn told = counted(total_.usage, total_.cost_nano);
        told.state = answered ? "completed" : "failed";
        told.provider = by.provider_name;
        told.model = by.name;
        told.seconds = std::chrono::duration<double>(time).count();
        told.first_token_seconds = first_token_;
        if (!answered) told.code = base::to_string(answered.error().code);
        told.request_id = question_.request_id;
        parts_.metrics.call_ended(told);
    }

    base::Result<DirectAnswer> answer() {
        std::vector<billing::Bill> bills;
        reservations_.resize(call_.attempts().size());
        for (std::size_t i = 0; i < call_.attempts().size(); ++i)
            if (auto bill = settle(i)) bills.push_back(std::move(*bill));
        total_ = billing::add_up(bills);
        const auto outcome = call_.outcome();
        if (!outcome) return std::unexpected(outcome.error().error);

        chat::Answer built = chat::build_answer(steps_, call_.answering().provider->kind());
        DirectAnswer answer{.text = chat::text_of(built.blocks),
                            .content = shown_content(built.blocks),
                            .stop_reason = chat::effective_stop_reason(*outcome, built),
                            .model = call_.answering().name,
                            .usage = total_.usage,
                            .cost_nano = total_.cost_nano,
                            .price_version = total_.price_version,
                            .attempts = {}};
        for (const models::AttemptRecord& attempt : call_.attempts())
            answer.attempts.push_back({.model = call_.targets()[attempt.target].name,
                                       .outcome = std::string(attempt.outcome()),
                                       .ms = attempt.time.count(),
                                       .tokens = attempt.had_content ? attempt.usage().completion() : 0});
        return answer;
    }

    const SessionService::Parts& parts_;
    const SessionSettings& settings_;
    DirectQuestion question_;
    const SessionKey key_;
    models::ModelCall call_;
    std::int64_t plain_tokens_ = 0;
    std::int64_t prompt_tokens_ = 0;
    chat::AnswerEvents steps_;
    std::optional<double> first_token_;
    billing::BillTotal total_;
    std::vector<billing::Reservation> reservations_;  // of the call's attempts, in their order
};

}  // namespace

async::Task<base::Result<DirectAnswer>> ask_directly(const SessionService::Parts& parts,
                                                     const SessionSettings& settings, DirectQuestion question,
                                                     std::stop_token stop, base::Deadline deadline) {
    auto route = parts.models.resolve(question.model.empty() ? settings.default_model : question.model);
    if (!route) co_return std::unexpected(route.error());
    DirectCall call(parts, settings, std::move(question), *std::move(route), std::move(stop));
    co_return co_await call.run(deadline);
}

}  // namespace tertulia::sessions
