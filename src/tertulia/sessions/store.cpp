#include "tertulia/sessions/store.h"

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

}  // namespace tertulia::sessions
