// A provider that answers what a test tells it to.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/models/provider.h"

namespace tertulia::test {

/// Scripted one answer per call; without a script it says how many messages it was sent and what the last one was. All
/// calls are kept in `requests`. Lives on one worker, as providers do.
class FakeProvider final : public models::Provider {
  public:
    using Steps = chat::AnswerEvents;

    struct Answer {
        /// One element per `next`.
        std::vector<Steps> reads = {};
        /// After these reads, fail with this; without it the last read must set `finish`.
        std::optional<models::Failure> failure = {};
        /// Fail in `open`.
        std::optional<models::Failure> refusal = {};
        /// Before one of the reads, the first, wait until the test wakes this or the turn is stopped.
        std::shared_ptr<async::Waiter> gate = {};
        std::size_t gate_at = 0;
        /// Throw in `open`: a bug.
        bool throws = false;
    };

    static Steps text(std::string_view text, std::optional<chat::StopReason> finish = {}) {
        Steps steps;
        steps.add(Steps::Kind::text, 0, text);
        steps.finish = finish;
        return steps;
    }
    static Answer whole(std::string_view said) { return {.reads = {text(said, chat::StopReason::end_turn)}}; }

    std::deque<Answer> script;
    std::vector<models::ModelRequest> requests;
    /// Called by every `open`.
    std::function<void()> on_open;

    /// Takes the beginning of an answer.
    bool prefill = false;
    std::string_view maker = "fake";

    std::string_view kind() const override { return maker; }
    bool takes_prefill(std::string_view) const override { return prefill; }
    std::vector<std::string> ignored_parameters(const models::ModelRequest& request) const override {
        return request.temperature ? std::vector<std::string>{"temperature"} : std::vector<std::string>{};
    }

    async::Task<models::Attempt<std::unique_ptr<models::AnswerStream>>> open(const models::ModelRequest& request,
                                                                             std::stop_token stop,
                                                                             base::Deadline) override {
        requests.push_back(request);
        if (on_open) on_open();
        Answer answer = whole(std::to_string(request.messages.size()) +
                              " messages, the last: " + chat::text_of(request.messages.back().content));
        if (!script.empty()) {
            answer = std::move(script.front());
            script.pop_front();
        }
        if (answer.throws) throw std::runtime_error("a bug of the provider");
        if (answer.refusal) co_return std::unexpected(*answer.refusal);
        co_return std::make_unique<Stream>(std::move(answer), std::move(stop));
    }

  private:
    class Stream final : public models::AnswerStream {
      public:
        Stream(Answer answer, std::stop_token stop) : answer_(std::move(answer)), stop_(std::move(stop)) {}

        async::Task<models::Attempt<void>> next(chat::AnswerEvents& into, base::Deadline deadline) override {
            into.clear();
            if (answer_.gate && read_ == answer_.gate_at) {
                const std::stop_callback wake(stop_, [gate = answer_.gate] { gate->wake(); });
                co_await answer_.gate->wait(deadline);
                answer_.gate.reset();
            }
            if (stop_.stop_requested()) co_return std::unexpected(models::Failure{models::FailureKind::stopped, {}});
            if (read_ < answer_.reads.size()) {
                into = answer_.reads[read_++];
                co_return models::Attempt<void>{};
            }
            co_return std::unexpected(answer_.failure.value_or(models::Failure{}));
        }

      private:
        Answer answer_;
        std::stop_token stop_;
        std::size_t read_ = 0;
    };
};

}  // namespace tertulia::test
