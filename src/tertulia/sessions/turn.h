// One turn: a user's message and the work of answering it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/models/model_call.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/turn_bills.h"
#include "tertulia/sessions/turn_log.h"
#include "tertulia/sessions/turn_question.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/sessions/turn_request.h"

namespace tertulia::sessions {

/// The life of a turn, as a task that belongs to no connection: waits for its place in the session's order, reads the
/// session, appends the user's message and calls the model at the same time, publishes the answer's steps to the log,
/// stores the answer, and publishes the end. Where it takes up an earlier turn's answer it appends nothing and rewrites
/// that answer. On a store that several processes share it may hand the rest of its work to another one, where a turn
/// that `resumes` goes on with it. Belongs to its own task. One per worker.
///
/// What readers may rely on: nothing is published before the user's message is durable, and the end is published only
/// after the answer is durable. A turn that fails before its message is durable ends without having started; it has
/// changed nothing.
class Turn : private models::Asker {
  public:
    /// `parts` and `settings` are the service's, which outlives its turns.
    Turn(const SessionService::Parts& parts, const SessionSettings& settings, TurnRequest request,
         std::optional<TakenUp> taken_up, std::shared_ptr<TurnClaim> claim, std::shared_ptr<TurnLog> log,
         bool resumes = false);

    /// Runs the turn to its end and gives its place up. `turn` lives in the task.
    static async::Task<void> run(std::unique_ptr<Turn> turn);

  private:
    using Problem = TurnQuestion::Problem;

    // While the model answers there are no more of these tasks than `run`, `answer` and ModelCall's; what they need for
    // a moment is left to functions and tasks that have ended by then, and not kept in their frames.
    async::Task<bool> is_prepared();
    async::Task<void> end_after_bug(std::string what);
    async::Task<Problem> prepare();
    async::Task<Problem> wait_for_place();
    async::Task<Problem> wait_for_first_place(base::Deadline deadline);
    async::Task<Problem> wait_for_shared_place(base::Deadline deadline);
    async::Task<Problem> take_over();  // turn_hand_over.cpp
    async::Task<void> give_claims_back(bool frees_key);
    void show_that_it_waits();

    async::Task<void> answer();
    [[gnu::noinline]] void begin_append();
    async::Task<void> append_message(TurnStart start);
    void publish_start();
    void announce();
    async::Task<bool> message_is_durable();

    // What ModelCall asks of the turn.
    bool can_ask_less() const override { return question_.can_ask_less(); }
    async::Task<base::Result<models::ModelRequest>> ask(const models::ModelRef& target,
                                                        const models::Step& step) override;
    std::int64_t prompt_tokens() const override { return question_.prompt_tokens(); }
    async::Task<bool> may_show() override { return message_is_durable(); }
    bool needs_room(const chat::AnswerEvents& steps) const override;
    async::Task<base::Result<void>> make_room() override { return parts_.checkpoints.reserve(log_); }
    base::Result<void> show(const chat::AnswerEvents& steps) override;
    void answering(const models::ModelRef& by, base::Milliseconds after) override;
    void rerouted(const models::Reroute& reroute) override;
    void was_too_long(const models::ModelRef& target, std::optional<std::int64_t> context_window) override;
    models::SoFar so_far() const override;
    chat::Usage take_given() override;

    chat::AnswerEvents without_overlap(const chat::AnswerEvents& steps);
    chat::Answer answer_so_far() const;
    std::string text_so_far() const;
    async::Task<base::Result<void>> reserve(const models::ModelRef& target);
    [[gnu::noinline]] void note_bills();
    async::Task<bool> hand_over();
    TurnState stopped_as() const;
    base::Error why_stopped() const;
    void reroute(std::string from, std::string to, base::Errc reason, bool restarts);
    async::Task<void> finish(models::Attempt<chat::StopReason> outcome);
    async::Task<void> store_answer(models::Attempt<chat::StopReason> outcome);
    StoredMessage answer_record(const TurnResult& ended, std::int64_t now_us,
                                std::vector<chat::ContentBlock> blocks) const;

    [[gnu::noinline]] void end_with(TurnState state, const base::Error& error);
    TurnResult result(TurnState state) const;
    void end(TurnResult result, bool with_usage);
    void tell_end(const TurnResult& ended);
    void give_key_up();
    void count_as_running();
    base::SteadyTime now() const { return parts_.clock.steady(); }

    const SessionService::Parts& parts_;
    const SessionSettings& settings_;
    std::shared_ptr<TurnClaim> claim_;
    std::shared_ptr<TurnLog> log_;
    TurnQuestion question_;
    std::optional<models::ModelCall> call_;

    base::SteadyTime began_;
    base::Deadline deadline_;               // of the whole turn, from the moment when its place has come
    std::string_view first_maker_, maker_;  // the provider kinds of the log's first blocks, and of its next
    std::map<const models::ModelRef*, std::string> overlaps_;  // white space that was not sent, by who was asked
    std::string overlap_;                                      // the same, of who answers: the next text may repeat it
    EventCursor given_;                                        // what `take_given` has counted
    std::size_t given_bytes_ = 0;
    TurnBills bills_;
    // Of a turn that resumes: what the process that ran it before has left.
    struct Earlier {
        std::string maker, last_maker;
        std::string model;
        std::vector<TurnAttempt> attempts;
        bool is_content_open = false;  // it has given content, and nothing has been added to that
        bool restarts = false;         // what comes next makes it void
    };
    std::unique_ptr<Earlier> earlier_;
    // A prompt that a model found too long, without a word of its window.
    struct Refused {
        std::string name;
        std::int64_t plain_tokens;
    };
    std::unique_ptr<Refused> refused_;
    const bool resumes_;
    bool is_open_ = false;  // in a store that several processes share
    bool append_begun_ = false;
    std::optional<double> first_token_;     // seconds from the beginning
    bool is_counted_ = false;               // as running, in the metrics
    std::optional<std::int64_t> messages_;  // the session's, with the appended one
    std::unique_ptr<base::Error> append_error_;
    std::shared_ptr<async::Waiter> append_done_;
};

}  // namespace tertulia::sessions
