// One turn: a user's message and the work of answering it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/turn_log.h"
#include "tertulia/sessions/turn_question.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/sessions/turn_request.h"

namespace tertulia::sessions {

/// The life of a turn, as a task that belongs to no connection: waits for its place in the session's order, reads the
/// session, appends the user's message and calls the model at the same time, publishes the answer's steps to the log,
/// stores the answer, and publishes the end. Where it takes up an earlier turn's answer it appends nothing and rewrites
/// that answer. Belongs to its own task; one worker.
///
/// What readers may rely on: nothing is published before the user's message is durable, and the end is published only
/// after the answer is durable. A turn that fails before its message is durable ends without having started; it has
/// changed nothing.
class Turn {
  public:
    /// `parts` and `settings` are the service's, which outlives its turns.
    Turn(const SessionService::Parts& parts, const SessionSettings& settings, TurnRequest request,
         std::optional<TakenUp> taken_up, std::shared_ptr<TurnClaim> claim, std::shared_ptr<TurnLog> log);

    /// Runs the turn to its end and gives its place up. `turn` lives in the task.
    static async::Task<void> run(std::unique_ptr<Turn> turn);

  private:
    using Problem = TurnQuestion::Problem;

    // While the model answers there are no more of these tasks than `run`, `answer`, `ask_model` and `call_model`; what
    // they need for a moment is left to functions and tasks that have ended by then, and not kept in their frames.
    async::Task<bool> is_prepared();
    async::Task<void> end_after_bug(std::string what);
    async::Task<Problem> prepare();
    async::Task<Problem> wait_for_place();

    async::Task<void> answer();
    async::Task<void> ask_model();
    async::Task<void> append_message(TurnStart start);
    void publish_start();
    async::Task<bool> message_is_durable();
    async::Task<void> call_model();
    using Opened = models::Attempt<std::unique_ptr<models::AnswerStream>>;
    async::Task<Opened> open_stream(base::Deadline deadline);
    [[gnu::noinline]] std::unique_ptr<models::AnswerStream> opened(Opened&& stream);
    [[gnu::noinline]] void came(models::Attempt<void>&& read);
    [[gnu::noinline]] void first_token_came(double after_seconds);
    bool needs_numbers(const chat::AnswerEvents& steps) const;
    [[gnu::noinline]] bool were_reserved(base::Result<void>&& reserved);
    [[gnu::noinline]] void publish(const chat::AnswerEvents& steps);
    async::Task<void> store_answer();
    StoredMessage answer_record(const TurnResult& ended, std::int64_t now_us,
                                std::vector<chat::ContentBlock> blocks) const;

    [[gnu::noinline]] void end_with(TurnState state, const base::Error& error);
    TurnResult result(TurnState state) const;
    chat::Usage usage_of(const chat::Answer& answer, TurnState state) const;
    void end(TurnResult result, bool with_usage);
    void count_as_running();
    base::SteadyTime now() const { return parts_.clock.steady(); }

    const SessionService::Parts& parts_;
    const SessionSettings& settings_;
    std::shared_ptr<TurnClaim> claim_;
    std::shared_ptr<TurnLog> log_;
    TurnQuestion question_;

    base::SteadyTime began_;
    base::Deadline deadline_;           // of the whole turn, from the moment when its place has come
    models::Attempt<void> outcome_;     // of the latest call
    std::optional<chat::Usage> usage_;  // the provider's latest
    std::optional<chat::StopReason> stop_reason_;
    billing::Reservation reservation_;
    bool append_begun_ = false;
    bool is_counted_ = false;                             // as running, in the metrics
    std::optional<base::Result<std::int64_t>> appended_;  // the session's number of messages with it
    std::shared_ptr<async::Waiter> append_done_;
};

}  // namespace tertulia::sessions
