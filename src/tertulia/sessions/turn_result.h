// What a turn says of itself when it starts and when it ends.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/chat/stop_reason.h"
#include "tertulia/chat/usage.h"
#include "tertulia/sessions/store.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::sessions {

/// How a turn began: what `turn.started` says. Value.
struct TurnStarted {
    std::string model;
    /// The turn whose answer this one continues; empty: none.
    std::string continues;
    /// The prompt's estimated size: what the bill of an interrupted turn is made from.
    std::int64_t prompt_tokens = 0;
};

/// What a turn came to: the JSON answer, or the error. Value.
struct TurnResult {
    TurnState state = TurnState::completed;
    std::string session_id;
    std::string turn_id;
    std::string model;
    /// The whole text; what there is of it where the turn did not complete.
    std::string message;
    /// Texts and tool calls in their order, where the answer calls tools; else empty.
    std::vector<chat::ContentBlock> content;
    std::int64_t conversation_length = 0;
    std::string timestamp;
    /// Of all billed attempts (billing::add_up): a hedge's loser does not count.
    chat::Usage usage;
    /// Nano-dollars; nothing where a price is not known.
    std::optional<std::int64_t> cost_nano;
    std::string price_version;
    std::optional<chat::StopReason> stop_reason;
    std::int64_t messages_sent = 0;
    std::int64_t messages_left_out = 0;
    std::int64_t estimated_tokens = 0;
    std::vector<std::string> ignored;
    std::string continues;
    std::vector<TurnAttempt> attempts;
    /// TurnAudience::told_already of what began it.
    std::string told;
    /// Why, where state is not `completed`.
    std::optional<base::Error> error;
    /// The messages that came after the request's `parent`, where the error is that there are any.
    std::optional<std::vector<StoredMessage>> missed;
};

/// Why a turn ended as `state` where nothing more is known: it was asked to, or the store knows no reason.
base::Error error_of(TurnState state);

/// There is no room for another turn.
base::Error too_much_at_once();

/// The result of a turn that the store still has.
TurnResult stored_result(const TurnName& name, const StoredMessage& answer);

/// What the metrics are told of usage and cost; all else of it is empty.
telemetry::EndedTurn counted(const chat::Usage& usage, std::optional<std::int64_t> cost_nano);

/// Bytes of memory that a result holds, about.
std::int64_t memory_of(const TurnResult& result);

/// May the same request be tried again as if this turn had not been: it ended without any of its answer's text?
bool frees_its_key(const StoredMessage& answer);

}  // namespace tertulia::sessions
