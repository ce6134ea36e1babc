#include "tertulia/sessions/store.h"

#include "tertulia/base/clock.h"
#include "tertulia/base/date_text.h"

namespace tertulia::sessions {

std::string_view to_string(TurnState state) {
    switch (state) {
        case TurnState::running:
            return "running";
        case TurnState::completed:
            return "completed";
        case TurnState::failed:
            return "failed";
        case TurnState::cancelled:
            return "cancelled";
        case TurnState::interrupted:
            return "interrupted";
    }
    return "failed";
}

std::optional<TurnState> parse_turn_state(std::string_view text) {
    for (const TurnState state :
         {TurnState::running, TurnState::completed, TurnState::failed, TurnState::cancelled, TurnState::interrupted})
        if (to_string(state) == text) return state;
    return std::nullopt;
}

std::string answer_place(const std::string& question_place) {
    const auto question_us = base::parse_rfc3339(question_place);
    // A place that is no time of ours: only where a foreign program's last one sorts after every clock.
    return base::next_timestamp(question_place, question_us ? *question_us + places_of_a_message : 0);
}

async::Task<base::Result<std::optional<SessionSnapshot>>> SessionStore::open_turn(TurnOpening opening) {
    return open(std::move(opening.turn.key), opening.max_messages, opening.max_bytes);
}

async::Task<base::Result<void>> SessionStore::abandon_turn(TurnName) {
    co_return base::Result<void>();
}

async::Task<base::Result<std::optional<IdempotencyRecord>>> SessionStore::claim_key(std::string owner,
                                                                                    IdempotencyRecord record,
                                                                                    std::string, std::int64_t now_us) {
    return idempotency(std::move(owner), std::move(record.key), now_us);
}

async::Task<base::Result<void>> SessionStore::free_key(std::string, std::string, std::string) {
    co_return base::Result<void>();
}

async::Task<base::Result<bool>> SessionStore::ask_to_stop(TurnName, TurnState) {
    co_return false;
}

async::Task<base::Result<std::string>> SessionStore::running_turn(SessionKey) {
    co_return std::string();
}

async::Task<base::Result<void>> SessionStore::close_turn(TurnName, std::int64_t) {
    co_return base::Result<void>();
}

async::Task<base::Result<void>> SessionStore::watch(SessionKey) {
    co_return base::Result<void>();
}

async::Task<base::Result<TurnNews>> SessionStore::news(TurnName, NewsPlace) {
    co_return TurnNews{.may_be_over = true};
}

async::Task<base::Result<void>> SessionStore::hand_over(TurnName) {
    co_return base::fail(base::Errc::not_found, "This store is no other process's: a turn cannot be handed over.");
}

async::Task<base::Result<HandedTurn>> SessionStore::take_over(TurnOpening) {
    co_return base::fail(base::Errc::not_found, "This store is no other process's: no turn is handed over.");
}

}  // namespace tertulia::sessions
