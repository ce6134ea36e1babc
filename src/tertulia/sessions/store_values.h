// What a store takes and gives. Values, all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/billing/bill.h"
#include "tertulia/chat/content.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/stop_reason.h"
#include "tertulia/chat/usage.h"
#include "tertulia/sessions/rerouted.h"

namespace tertulia::sessions {

/// Who owns every session until there are accounts.
inline constexpr std::string_view local_owner = "local";

/// A session is found only together with its owner: one user never sees another's data. Value.
struct SessionKey {
    std::string owner;
    std::string session_id;
    bool operator==(const SessionKey&) const = default;
};

/// How a turn's answer stands. `running` is never stored with a message. Value.
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
    /// TurnAudience::told_already of what began it.
    std::string told;
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
    /// Where the history that the model was last shown begins (the place of its first message), and for which
    /// window, or size of a prompt that was refused: the prefix stays the same from turn to turn until it no longer
    /// fits. Empty and 0: from the session's beginning.
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

/// Which messages of a history. Value.
struct MessageQuery {
    /// At least 1.
    std::int64_t limit = 50;
    /// Exclusive places in the order; empty: no bound. With `before` alone the page is the last `limit` before it.
    std::string after;
    std::string before;
    /// About so many bytes of content (one message at least); the page then has fewer than `limit`.
    std::int64_t max_bytes = 8 << 20;
};

/// Oldest first. Value.
struct MessagePage {
    std::vector<StoredMessage> messages;
    /// Are there more after the last one (within the bounds)?
    bool more = false;
};

/// Newest activity first. Value.
struct SessionPage {
    std::vector<SessionHeader> sessions;
    /// Give back as `after`; empty: no more. Opaque.
    std::string next;
};

/// A session's header with the newest part of its history. Value.
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

}  // namespace tertulia::sessions
