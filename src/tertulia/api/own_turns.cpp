#include "tertulia/api/own_turns.h"

namespace tertulia::api {

void OwnTurns::add(const std::string& turn_id, const std::string& session_id) {
    turns_.insert_or_assign(turn_id, Turn{.session_id = session_id});
}

void OwnTurns::told(const std::string& turn_id, bool is_subscribed) {
    const auto found = turns_.find(turn_id);
    if (found == turns_.end()) return;
    if (is_subscribed)
        found->second.is_told = true;
    else
        turns_.erase(found);
}

void OwnTurns::unsubscribed(const std::string& session_id) {
    std::erase_if(turns_, [&](const auto& one) { return one.second.session_id == session_id && one.second.is_told; });
}

}  // namespace tertulia::api
