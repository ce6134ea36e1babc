// Where sessions are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/budget_hold.h"
#include "tertulia/sessions/store_values.h"
#include "tertulia/sessions/turn_news.h"
#include "tertulia/sessions/usage_query.h"

namespace tertulia::sessions {

/// Keeps sessions. Every write is durable when its task returns success; a failed one has changed nothing.
/// Errors: `unavailable` (full disk, locked, gone) with a message for the operator's eyes in the log and a plain one in
/// the Error; `not_found`, `conflict` where the method says so. Shared; safe from any thread: tasks come back on the
/// caller's worker.
class SessionStore {
  public:
    virtual ~SessionStore() = default;

    /// The session's header and its newest messages, at most `max_messages` of them and about `max_bytes` of content
    /// (at least one message, if there is one). Nothing where there is no such session.
    virtual async::Task<base::Result<std::optional<SessionSnapshot>>> open(SessionKey key, std::int64_t max_messages,
                                                                           std::int64_t max_bytes) = 0;

    /// Messages before `before` (exclusive), newest first, within the same two limits; empty where there are none.
    virtual async::Task<base::Result<std::vector<StoredMessage>>> older(SessionKey key, std::string before,
                                                                        std::int64_t max_messages,
                                                                        std::int64_t max_bytes) = 0;

    // -- where several processes may share the store; the others need none of these

    /// May other processes write to the same sessions? Then a turn claims its session's order in the store, before its
    /// model is called: it `open_turn`s, and then `begin_turn`s or `abandon_turn`s. The place of its answer is fixed
    /// (`answer_place`): a process that lost its session meets there what its successor has written.
    virtual bool is_shared() const { return false; }

    /// `open`, with the session's order claimed for the turn until it has ended, was abandoned or handed over, or its
    /// process no longer renews the claim. The store does that by itself, and stops when `end_turn`, `abandon_turn` or
    /// `hand_over` returns, whatever it returns. A process that has lost its claim writes nothing more. `conflict` with
    /// retry_after: a turn of another process has it. A deletion opens a turn too, that never begins.
    /// There is a snapshot of a new session too where it has a `question_place` to say: a header without messages.
    virtual async::Task<base::Result<std::optional<SessionSnapshot>>> open_turn(TurnOpening opening);
    /// The turn goes no further, and its claim is given up. One that has not begun (or could not) is as if it had never
    /// been opened; one that has is closed as interrupted by whoever comes next.
    virtual async::Task<base::Result<void>> abandon_turn(TurnName turn);
    /// Claims an idempotency key for `record.turn_id`, before that turn calls its model; it is not kept with the
    /// message then (TurnStart::idempotency is empty). Gives the record of the turn that has it already, unless that
    /// one expired by `now_us` or is `instead_of` (a turn that freed its key). Here: only looks (`idempotency`).
    virtual async::Task<base::Result<std::optional<IdempotencyRecord>>> claim_key(std::string owner,
                                                                                  IdempotencyRecord record,
                                                                                  std::string instead_of,
                                                                                  std::int64_t now_us);
    /// Gives a claimed key up, if it (still) stands for `turn_id`: a turn that has not begun and never will.
    virtual async::Task<base::Result<void>> free_key(std::string owner, std::string key, std::string turn_id);
    /// Asks the process that runs the turn to end it as that. False: none runs it.
    virtual async::Task<base::Result<bool>> ask_to_stop(TurnName turn, TurnState as);
    /// Which turn of the session runs, wherever; empty: none.
    virtual async::Task<base::Result<std::string>> running_turn(SessionKey key);
    /// Somebody in this process reads the session's turns as they come. Whichever process runs one of them learns that
    /// (`TurnOpening::watched`) with its claim, or soon after it. To be repeated as long as it is so, as often as one
    /// likes: seldom does anything come of it.
    virtual async::Task<base::Result<void>> watch(SessionKey key);
    /// What was kept of a turn that has begun, in whatever process, beyond a place (of this turn; at first: none).
    virtual async::Task<base::Result<TurnNews>> news(TurnName turn, NewsPlace from);
    /// Keeps the turn running, in nobody's hands, for another process to take over; after a checkpoint that holds all
    /// of it. Where nobody does for a while, it is lost like that of a dead process. `not_found`: it is not this
    /// process's any more.
    virtual async::Task<base::Result<void>> hand_over(TurnName turn);
    /// Goes on with such a turn. `not_found`: nobody has handed it over (any more). Of `opening` the sticky members and
    /// `text` are not looked at.
    virtual async::Task<base::Result<HandedTurn>> take_over(TurnOpening opening);

    /// Sets money aside for a turn that is about to call a model, in all of the budgets or in none: says which one has
    /// no room. Nobody overspends, however many processes ask at once. What a turn holds becomes what it has spent by
    /// `settle_budgets`; where its process is gone, by its bills, as soon as somebody wants the room (a call that is
    /// no turn has none, and counts for a quarter of an hour).
    virtual async::Task<base::Result<std::optional<BudgetShortage>>> hold_budgets(BudgetHold hold);
    virtual async::Task<base::Result<void>> settle_budgets(BudgetSettlement settlement);

    // -- a turn

    /// Appends the user's message, makes the session if it is new, and marks the turn as the session's running one.
    /// Where another turn is still marked as running (its end could not be written), that one's missing answer is first
    /// written as `interrupted`, with what its checkpoints hold, just before the new message in the order. `conflict`:
    /// the timestamp is not greater than the session's last; or `rewrites` is not the place of its last message, an
    /// answer that is not whole (nothing is written). Gives the number of messages that the session has then.
    virtual async::Task<base::Result<std::int64_t>> begin_turn(TurnStart start) = 0;

    /// Appends or rewrites the assistant's message, clears the mark and forgets the turn's checkpoints, if that turn is
    /// the session's running one; else `not_found` (the session was deleted, or the turn closed) and nothing is
    /// written but its bills (once). What a former turn had made of a rewritten answer can still be asked for (`turn`).
    virtual async::Task<base::Result<void>> end_turn(TurnEnd end) = 0;

    /// Keeps pieces of running turns, all in one durable write. A turn that no longer runs is passed over.
    virtual async::Task<base::Result<void>> checkpoint(std::vector<TurnCheckpoint> pieces) = 0;

    /// Writes the missing answer of every running turn as `interrupted`, with what its checkpoints hold (at start,
    /// after a crash); gives their number. The answer's timestamp is base::next_timestamp(last, now_us).
    virtual async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) = 0;

    /// The same for one turn, if it is its session's running one: the caller knows that it never ends by itself. Shared
    /// stores need no help (`turn`).
    virtual async::Task<base::Result<void>> close_turn(TurnName turn, std::int64_t now_us);

    /// One turn; nothing where the session has none of this id. A turn whose process has lost its claim is closed as
    /// interrupted first.
    virtual async::Task<base::Result<std::optional<StoredTurn>>> turn(TurnName name) = 0;

    /// The id of the turn that began next after `after` in its session, also one that still runs (a continuation is a
    /// turn of its own); empty: none, or there is no such turn.
    virtual async::Task<base::Result<std::string>> next_turn(TurnName after) = 0;

    /// What the owner's key stands for, unless it has expired by `now_us`.
    virtual async::Task<base::Result<std::optional<IdempotencyRecord>>> idempotency(std::string owner, std::string key,
                                                                                    std::int64_t now_us) = 0;

    /// A page of history, oldest first; nothing where there is no such session.
    virtual async::Task<base::Result<std::optional<MessagePage>>> messages(SessionKey key, MessageQuery query) = 0;

    /// The owner's sessions, newest activity first. `after`: a former page's `next`; empty: from the newest.
    virtual async::Task<base::Result<SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                            std::string after) = 0;

    /// Deletes a session with all its messages, checkpoints and keys, but not its bills. False where there is no such
    /// session (one that was opened, and never written to, is none). On a shared store: while `open_turn` has claimed
    /// it.
    virtual async::Task<base::Result<bool>> remove(SessionKey key) = 0;

    /// Adds up the bills of an owner's turns. The ledger holds those of every turn that ended, of deleted sessions too;
    /// of a turn that a crash interrupted after its first content an estimate, from what its checkpoints hold.
    virtual async::Task<base::Result<UsageReport>> usage(UsageQuery query) = 0;
};

}  // namespace tertulia::sessions
