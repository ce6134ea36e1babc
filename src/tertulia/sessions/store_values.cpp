#include "tertulia/sessions/store_values.h"

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

}  // namespace tertulia::sessions
