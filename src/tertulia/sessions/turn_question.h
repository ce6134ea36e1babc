// What a turn asks the model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/models/attempt_policy.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/sessions/context.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/sessions/turn_request.h"

namespace tertulia::sessions {

/// Made from the request and the session once the turn's place has come: which model, with which history, and which
/// answer is taken up. Writes nothing. Belongs to the turn's task. One per worker.
class TurnQuestion {
  public:
    using Problem = std::optional<base::Error>;

    /// `parts`, `settings` and `claim` outlive it.
    TurnQuestion(const SessionService::Parts& parts, const SessionSettings& settings, const TurnClaim& claim,
                 TurnRequest request, std::optional<TakenUp> taken_up);

    /// How a store that several processes share opens the turn, and what it gave: then `prepare` reads no more.
    TurnOpening opening() const;
    void take(std::optional<SessionSnapshot> session);
    /// The same for a turn that another process has begun and handed over.
    void take(HandedTurn handed);
    /// Reads the session, takes the earlier answer up or else checks `parent`, and finds the models that may answer
    /// (waiting for one that still loads). A problem ends the turn before its start.
    async::Task<Problem> prepare(base::Deadline deadline);
    /// The models, the one that answered the session last first, while it is healthy.
    models::ModelRoute take_route() { return std::move(asking_->route); }
    /// Chooses the history that `target` is shown, leaving room for `so_far`: what there is of the answer, which it is
    /// to go on from. `target` must stay where it is.
    async::Task<Problem> choose_context(const models::ModelRef& target, std::string_view so_far);

    /// What the store is told, with the message; the message is moved out. `first_number`: that of `turn.started`.
    TurnStart take_start(std::uint32_t first_number);
    /// As `target` is asked in this step. Reads the session again where it has been forgotten.
    async::Task<base::Result<models::ModelRequest>> request(const models::ModelRef& target, const models::Step& step,
                                                            std::string_view so_far);
    /// Is there any history that could be left out?
    bool can_ask_less() const { return context_.messages.size() > 1; }
    /// The white space at the end of `so_far` that the latest request went without.
    std::string_view trimmed() const { return trimmed_; }
    /// It is being answered: what is of use for asking alone goes (an answer may take minutes).
    void forget();

    /// TurnRequest's: for the log, and OnceKey's.
    const std::string& request_id() const { return claim_.request_id; }
    const std::string& once_key() const { return once_key_; }
    /// Is it not to wait for another turn? Until `forget`.
    bool rejects() const { return asking_->request.on_busy == OnBusy::reject; }
    /// Its counts; its messages are gone after `forget`.
    const Context& context() const { return context_; }
    /// Of the latest request, the answer so far included; our estimate.
    std::int64_t prompt_tokens() const { return context_.estimated_tokens + so_far_tokens_; }
    std::int64_t max_tokens() const { return max_tokens_; }
    /// SessionHeader::spent_nano; until `forget`.
    std::int64_t spent_nano() const { return asking_->header.spent_nano; }
    const std::vector<std::string>& ignored() const { return ignored_; }
    /// The answer that is rewritten; null: the turn has a message of its own.
    const TakenUp* taken_up() const { return taken_up_.get(); }
    /// The answer whose text is continued; null: none.
    const StoredMessage* before() const { return before_ && !before_->content.empty() ? before_.get() : nullptr; }
    /// The turn that is continued; empty: none.
    std::string continues() const;
    /// Of an answer that takes none up: the first place after the message (on a shared store), now (on others).
    std::string answer_place(std::int64_t now_us) const;
    /// The messages after `parent`, where there are any; until `forget`.
    std::optional<std::vector<StoredMessage>> take_missed();

  private:
    // Of use until the model answers.
    struct Asking {
        TurnRequest request;  // without its manner; default-made where the session was read again
        SessionHeader header;
        std::optional<std::vector<StoredMessage>> missed;
        models::ModelRoute route;
        std::vector<StoredMessage> history;  // newest first, as far as it was read
        std::string history_end;             // the place of the oldest message read
        bool more_history = false;
        ContextBudget budget;
        chat::Message question;  // as it was sent: history may be chosen again
    };
    // What else the request asks for: another target may be asked the same in mid-answer.
    struct Manner {
        std::vector<chat::Tool> tools;
        std::optional<chat::ToolChoice> tool_choice;
        std::optional<std::int64_t> max_tokens;
        std::optional<double> temperature;
        std::vector<std::string> stop;
    };

    static std::unique_ptr<const Manner> take_manner(TurnRequest& request);
    const Manner& manner() const;
    async::Task<Problem> read_session();
    async::Task<Problem> load();
    async::Task<Problem> complete(std::size_t least);
    void take_own_question(std::size_t own);
    async::Task<Problem> check_parent();
    bool has_interrupted_parent() const;
    Problem take_up_answer();
    Problem choose_route();
    async::Task<Problem> wait_for_model(base::Deadline deadline);
    async::Task<Problem> recall();
    void choose_less_context();
    void add_partial_answer(models::ModelRequest& request, models::Form form, std::string_view so_far);
    const std::string& system() const;

    const SessionService::Parts& parts_;
    const SessionSettings& settings_;
    const TurnClaim& claim_;
    std::string once_key_;
    const std::unique_ptr<const Manner> manner_;  // null: nothing, as with most turns
    const bool streams_;
    std::unique_ptr<TakenUp> taken_up_;
    std::unique_ptr<Asking> asking_ = std::make_unique<Asking>();
    std::unique_ptr<StoredMessage> before_;
    const models::ModelRef* context_for_ = nullptr;
    bool has_less_context_ = false;
    bool is_read_ = false;    // by `take`
    bool has_begun_ = false;  // in another process
    std::int64_t max_tokens_ = 0;
    Context context_;
    std::int64_t so_far_tokens_ = 0;
    std::vector<std::string> ignored_;
    std::string message_place_;
    std::string trimmed_;
};

}  // namespace tertulia::sessions
