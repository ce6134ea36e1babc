#include "tertulia/sessions/given_tokens.h"

namespace tertulia::sessions {

void GivenTokens::add(const EventEntry& entry, std::string_view text) {
    switch (entry.kind) {
        case EventKind::text:
        case EventKind::refusal:
        case EventKind::tool_arguments:
            output_.add(text);
            any_ = true;
            break;
        case EventKind::thinking:
            reasoning_.add(text);
            any_ = true;
            break;
        case EventKind::tool_call:
        case EventKind::signature:
        case EventKind::native:
            any_ = true;
            break;
        default:
            break;
    }
}

chat::Usage GivenTokens::usage() const {
    return {.output = output_.tokens(), .reasoning = reasoning_.tokens()};
}

}  // namespace tertulia::sessions
