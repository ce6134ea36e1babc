#include "tertulia/chat/message.h"

namespace tertulia::chat {

std::string_view to_string(Role role) {
    return role == Role::user ? "user" : "assistant";
}

std::optional<Role> parse_role(std::string_view text) {
    if (text == "user") return Role::user;
    if (text == "assistant") return Role::assistant;
    return std::nullopt;
}

}  // namespace tertulia::chat
