// Which turn of a session runs, and which wait.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// One turn's claim on its session's order, from `enter` to `leave`. Shared between the registry and the turn's task.
struct TurnClaim {
    /// Without a turn_id: the session is to be deleted.
    std::shared_ptr<const TurnName> name;
    /// Woken when the claim becomes the session's first; on the turn's worker.
    std::shared_ptr<async::Waiter> waiter;
    /// Ask the turn to end: requested on the turn's worker only (see TurnRegistry::stop).
    async::Executor executor;
    std::stop_source stop;
    /// What the turn then ends as; `running`: it is handed over to another process. On its worker only.
    TurnState stop_as = TurnState::cancelled;
    /// Why, where that says more than the state. On its worker only.
    std::unique_ptr<const base::Error> stop_why = {};
    /// The request that began it (TurnRequest::request_id).
    std::string request_id = {};
    /// The last message that its sender saw (TurnRequest::parent).
    std::string parent = {};
    /// The session's last message as the turn runs; empty until that is stored. The registry's.
    std::string head = {};
    /// It ends the turn that runs when it comes, wherever, and goes before those that merely wait. `enter` says it.
    bool interrupts = false;
    /// The first one of its session here, it waits for a turn of another process: it does not run. The registry's.
    bool waits_elsewhere = false;

    const SessionKey& key() const { return name->key; }
    const std::string& turn_id() const { return name->turn_id; }
    /// The error of a turn that was asked to end.
    base::Error why_stopped() const;
};

/// What a message does that comes while another of its session is being answered.
enum class OnBusy : std::uint8_t { queue, reject, interrupt };
std::string_view to_string(OnBusy what);
std::optional<OnBusy> parse_on_busy(std::string_view text);

/// One order per session: turns run one after the other, in the order in which they entered; at most `max_waiting`
/// wait. Shared; safe from any thread.
class TurnRegistry {
  public:
    /// `max_turns`: of all sessions, running and waiting.
    explicit TurnRegistry(std::size_t max_waiting, std::size_t max_turns = 20'000)
        : max_waiting_(max_waiting), max_turns_(max_turns) {}

    /// Takes a place in the session's order: the last one, or, interrupting, the one after the turn that runs (which is
    /// asked to end as cancelled) and after those that interrupted it before. With a `parent` it interrupts only a turn
    /// whose message is that parent: who has not seen it ends nothing. `conflict` with retry_after: the session
    /// is busy (reject), or too many wait in it; `unavailable`: closed, or too many turns in all.
    base::Result<void> enter(std::shared_ptr<TurnClaim> claim, OnBusy on_busy);
    /// Takes the last place, however many wait: for what is not a message.
    base::Result<void> enter_behind_all(std::shared_ptr<TurnClaim> claim);
    /// Is it this claim's turn?
    bool is_first(const TurnClaim& claim) const;
    /// The claim, the session's first here, waits for a turn of another process: who interrupts goes before it.
    void wait_elsewhere(TurnClaim& claim);
    /// It looks again whether its place has come. False: it is not even the first here any more.
    bool stop_waiting_elsewhere(TurnClaim& claim);
    /// The claim's turn runs, and the session's last message is now this one.
    void set_head(TurnClaim& claim, std::string head);
    /// Gives the place up, waiting or running; the next one is woken.
    void leave(const TurnClaim& claim);

    /// The id of the turn that runs, or empty.
    std::string running(const SessionKey& key) const;
    /// Asks a turn that runs or waits to end as `as`. False: it does neither.
    bool stop(const TurnName& turn, TurnState as);
    /// Asks the turns that stand before `claim` in its session to end as `as` (they do so on their own workers).
    void stop_before(const TurnClaim& claim, TurnState as);
    void stop_all(TurnState as);
    /// The turns that a request has begun and that have not ended yet.
    std::vector<TurnName> begun_by(std::string_view request_id) const;
    /// Asks them to end as `as`, their error being `why`.
    void stop_begun_by(std::string_view request_id, TurnState as, const base::Error& why);
    /// `waiter` is woken whenever a turn has given its place up, until it is gone.
    void watch(std::weak_ptr<async::Waiter> waiter);
    /// No `enter` from now on.
    void close();
    bool is_closed() const;
    std::size_t size() const;

  private:
    struct Claims {
        std::vector<std::shared_ptr<TurnClaim>> claims;  // the first one runs
    };
    const TurnClaim* first(const SessionKey& key) const;
    static std::string line_name(const SessionKey& key) { return key.owner + "|" + key.session_id; }
    static void stop_if_interrupted(const Claims& line);
    static void request_stop(const std::shared_ptr<TurnClaim>& claim, TurnState as,
                             std::optional<base::Error> why = {});

    const std::size_t max_waiting_;
    const std::size_t max_turns_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Claims> lines_;
    std::vector<std::weak_ptr<async::Waiter>> watchers_;
    std::size_t size_ = 0;
    bool closed_ = false;
};

}  // namespace tertulia::sessions
