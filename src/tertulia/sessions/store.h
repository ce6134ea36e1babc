// Where sessions are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/chat/content.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/stop_reason.h"
#include "tertulia/chat/usage.h"
#include "tertulia/sessions/rerouted.h"
#include "tertulia/sessions/turn_news.h"
#include "tertulia/sessions/usage_query.h"

namespace tertulia::sessions {

/// Who owns every session until there are accounts.
inline constexpr std::string_view local_owner = "local";

/// A session is found only together with its owner: one user never sees another's data. Value.
struct SessionKey {
    std::string owner;
    std::string session_id;
    bool operator==(const SessionKey&) const = default;
};

/// How a turn's answer stands. `running` is never stored with a message.
enum class TurnState { running, completed, failed, cancelled, interrupted };
std::string_view to_string(TurnState state);
std::optional<TurnState> parse_turn_state(std::string_view text);

/// One call of a model within a turn, as answers tell of it. Value.
struct TurnAttempt {
    /// `provider/model`.
    std::string model;
    /// `ok`, `cancelled`, or the name of the failure's code.
    std::string outcome;
    std::int64_t ms = 0;
    /// What it gave, reasoning included.
    std::int64_t tokens = 0;
    bool operator==(const TurnAttempt&) const = default;
};

/// How a turn came out, beside the message itself: what it takes to give the same answer again. Value.
struct TurnOutcome {
    std::int64_t conversation_length = 0;
    std::int64_t messages_sent = 0;
    std::int64_t messages_left_out = 0;
    std::int64_t estimated_tokens = 0;
    std::vector<std::string> ignored;
    /// The edition of the prices that its cost was made from; empty: none is known.
    std::string price_version;
    /// Why, where the turn did not complete.
    std::optional<base::Error> error;
    /// The turn whose answer this one continues; empty: none.
    std::string continues;
    /// In the order of the calls.
    std::vector<TurnAttempt> attempts;
    std::vector<Rerouted> reroutes;
    bool operator==(const TurnOutcome&) const = default;
};

/// One entry of a session's history. Value.
struct StoredMessage {
    chat::Role role = chat::Role::user;
    /// The text blocks joined: what people read.
    std::string content;
    /// All blocks where there is more than that text; else empty.
    std::vector<chat::ContentBlock> blocks;
    /// Its place in the session's order (base::next_timestamp).
    std::string timestamp;
    /// The wall clock's time, in the same form.
    std::string created_at;
    /// The turn that wrote it. Question and answer of one turn share it, until another turn continues that answer.
    std::string turn_id;
    TurnState state = TurnState::completed;
    /// `provider/model`; an assistant's message only.
    std::string model;
    std::optional<chat::StopReason> stop_reason;
    /// `cache_write` holds both lifetimes.
    std::optional<chat::Usage> usage;
    /// Nano-dollars; nothing where no price is known.
    std::optional<std::int64_t> cost_nano;
    /// The client's own JSON object, kept with the user message; empty: none.
    std::string metadata;
    /// The turn's events as a record (event_record.h), without their texts; an answer only. Histories leave it out.
    std::string events;
    /// An answer only. Histories leave it out.
    std::optional<TurnOutcome> outcome;
    bool operator==(const StoredMessage&) const = default;
};

/// A turn as the store knows it. Value.
struct StoredTurn {
    /// The user's message.
    StoredMessage question;
    /// As this turn left it, with `events` and `outcome`, even if another turn has continued it since. Nothing: the
    /// turn is still marked as running.
    std::optional<StoredMessage> answer;
};

/// What an `Idempotency-Key` stands for. Value.
struct IdempotencyRecord {
    std::string key;
    /// Of the request's body: the same key with another body is refused.
    std::string fingerprint;
    std::string session_id;
    std::string turn_id;
    /// Microseconds since 1970; forgotten then.
    std::int64_t expires_us = 0;
    bool operator==(const IdempotencyRecord&) const = default;
};

/// What is known of a session without reading its messages. Value.
struct SessionHeader {
    std::string session_id;
    std::int64_t message_count = 0;
    /// The newest message's place in the order.
    std::string last_timestamp;
    /// The wall clock's time of the last write.
    std::string last_activity;
    /// The first user message's beginning (at most 120 bytes, cut at a character).
    std::string first_words;
    /// Sticky, once sent; empty: the server's default.
    std::string model;
    std::string system;
    /// Where the history that the model was last shown begins (the place of its first message), and for which window:
    /// the prefix stays the same from turn to turn until it no longer fits. Empty and 0: from the session's beginning.
    std::string context_from;
    std::int64_t context_window = 0;
    /// Nano-dollars of all its bills, hedges included, as far as their prices are known.
    std::int64_t spent_nano = 0;
    bool operator==(const SessionHeader&) const = default;
};

/// A turn begins: the user's message is appended, or an answer is to be rewritten. Value.
struct TurnStart {
    SessionKey key;
    /// role user; timestamp greater than every other of the session. Where `rewrites` is set only its `turn_id` and
    /// `created_at` count, and nothing is appended.
    StoredMessage message;
    /// The place of the answer that this turn continues, or tries again; empty: none.
    std::string rewrites;
    /// The number of the turn's `turn.started`: what came before it in the log was never kept.
    std::uint32_t first_number = 1;
    /// Kept with the message, in the place of an earlier record of the same owner and key.
    std::optional<IdempotencyRecord> idempotency;
    /// The header's sticky members and context as they are from now on.
    std::string model;
    std::string system;
    std::string context_from;
    std::int64_t context_window = 0;
};

/// A turn ends: the assistant's message is appended or, where its start said so, rewritten. Value.
struct TurnEnd {
    SessionKey key;
    /// role assistant; turn_id is that of the start; of a rewritten answer, timestamp is its place and the content
    /// whole.
    StoredMessage message;
    /// What its attempts used and cost, in their order: they go into the ledger under the message's `created_at`.
    std::vector<billing::Bill> bills = {};
};

/// Which turn. Value.
struct TurnName {
    SessionKey key;
    std::string turn_id;
};

/// More of a running turn's events, to be kept until its end. Value.
struct TurnCheckpoint {
    std::shared_ptr<const TurnName> turn;
    /// Opaque to the store (turn_checkpoint.h); the pieces of one turn are read back in the order of their writing.
    std::string data;
    /// Holds all of the turn so far: what was kept of it before can be forgotten.
    bool is_whole = false;
};

struct MessageQuery {
    /// At least 1.
    std::int64_t limit = 50;
    /// Exclusive places in the order; empty: no bound. With `before` alone the page is the last `limit` before it.
    std::string after;
    std::string before;
    /// About so many bytes of content (one message at least); the page then has fewer than `limit`.
    std::int64_t max_bytes = 8 << 20;
};

/// Oldest first.
struct MessagePage {
    std::vector<StoredMessage> messages;
    /// Are there more after the last one (within the bounds)?
    bool more = false;
};

/// Newest activity first.
struct SessionPage {
    std::vector<SessionHeader> sessions;
    /// Give back as `after`; empty: no more. Opaque.
    std::string next;
};

/// A session's header with the newest part of its history.
struct SessionSnapshot {
    SessionHeader header;
    /// Newest first.
    std::vector<StoredMessage> newest;
    /// Is there older history than that?
    bool more = false;
    /// Where the message of the turn that was opened (`open_turn`) has to stand; empty: after the last one, as the turn
    /// likes. A claim fixes it, so that a turn that lost its claim before it began meets there what came after it.
    std::string question_place = {};
};

/// A turn is about to read its session, and to write into it. Value.
struct TurnOpening {
    TurnName turn;
    /// The header's sticky members, where the turn changes them.
    std::optional<std::string> model;
    std::optional<std::string> system;
    /// What a new session is listed under: its first message's text.
    std::string text;
    /// As in `open`.
    std::int64_t max_messages = 0;
    std::int64_t max_bytes = 0;
    /// Asks the turn to end as that: another process took its session over (interrupted), or somebody there asked for
    /// it. May be called from any thread, until the turn has ended or was abandoned; empty: nobody listens.
    std::function<void(TurnState as)> stop;
    /// Tells the turn that somebody in another process follows its session, for so long at least: what they see of it
    /// are its checkpoints. As `stop`.
    std::function<void(base::Milliseconds time)> watched = {};
};

/// The microseconds that are one message's on a store that several processes share: such a store may split a long one
/// into parts, which take the places right after its first.
inline constexpr std::int64_t places_of_a_message = 1000;
/// Where a turn's answer stands on such a store: right behind the places of its question. Pure.
std::string answer_place(const std::string& question_place);

/// A turn that ran in another process until that handed it over. Value.
struct HandedTurn {
    /// Its newest message is the turn's question or, where it `rewrites`, the answer there as it was.
    SessionSnapshot session;
    /// What its checkpoints hold, in the order of their writing.
    std::vector<std::string> pieces;
    /// TurnStart::first_number and TurnStart::rewrites.
    std::uint32_t first_number = 1;
    std::string rewrites;
};

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
