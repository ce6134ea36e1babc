#include "tertulia/sessions/turn_request.h"

namespace tertulia::sessions {

std::optional<OnDisconnect> parse_on_disconnect(std::string_view text) {
    if (text == "finish") return OnDisconnect::finish;
    if (text == "cancel") return OnDisconnect::cancel;
    return std::nullopt;
}

}  // namespace tertulia::sessions
