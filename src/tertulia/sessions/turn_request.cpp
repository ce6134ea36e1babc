#include "tertulia/sessions/turn_request.h"

namespace tertulia::sessions {

std::optional<OnDisconnect> parse_on_disconnect(std::string_view text) {
    if (text == "finish") return OnDisconnect::finish;
    if (text == "cancel") return OnDisconnect::cancel;
    return std::nullopt;
}

IdempotencyRecord OnceKey::record(const TurnName& turn, std::int64_t now_us) const {
    return {.key = key,
            .fingerprint = fingerprint,
            .session_id = turn.key.session_id,
            .turn_id = turn.turn_id,
            .expires_us = now_us + std::chrono::duration_cast<std::chrono::microseconds>(remembered_for).count()};
}

}  // namespace tertulia::sessions
