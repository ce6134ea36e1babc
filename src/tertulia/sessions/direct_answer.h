// An answer that belongs to no session.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/chat/answer_events.h"
#include "tertulia/chat/message.h"
#include "tertulia/chat/usage.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// What a model or a route is asked, once. Checked by whoever makes it: texts are UTF-8. Value.
struct DirectQuestion {
    std::string owner{local_owner};
    /// `provider/model`, a route, or empty: the server's default.
    std::string model = {};
    /// Empty: none; the server's own system text is for its sessions.
    std::string system = {};
    /// Oldest first, the last one the user's; put into an order that every provider takes (chat/repair.h).
    std::vector<chat::Message> messages = {};
    std::optional<std::int64_t> max_tokens = {};
    std::optional<double> temperature = {};
    /// Of what asks: for the metrics.
    std::string request_id = {};
};

/// Value.
struct DirectAnswer {
    std::string text;
    /// What else there is, where the answer calls tools.
    std::vector<chat::ContentBlock> content;
    std::optional<chat::StopReason> stop_reason;
    /// `provider/model` that answered.
    std::string model;
    /// Of all billed calls but a lost hedge.
    chat::Usage usage;
    /// Nano-dollars; nothing where a price is not known.
    std::optional<std::int64_t> cost_nano;
    std::string price_version;
    /// In the order of the calls.
    std::vector<TurnAttempt> attempts;
};

/// Asks, with the retries, failover, breakers and budgets that turns have. Nothing is stored: what it costs counts
/// against the budgets and is not in the ledger. A failover begins anew, since nobody has seen
/// anything. Errors: those of the provider, budget_exceeded, invalid_request (no such model), too_large, timed_out
/// (`deadline`), unavailable (`stop`). What `parts` and `settings` refer to outlives the task.
async::Task<base::Result<DirectAnswer>> ask_directly(const SessionService::Parts& parts,
                                                     const SessionSettings& settings, DirectQuestion question,
                                                     std::stop_token stop, base::Deadline deadline);

}  // namespace tertulia::sessions
