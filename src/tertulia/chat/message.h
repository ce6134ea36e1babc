// A message as a model is shown it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/chat/content.h"

namespace tertulia::chat {

enum class Role { user, assistant };

std::string_view to_string(Role role);
std::optional<Role> parse_role(std::string_view text);

/// Value.
struct Message {
    Role role = Role::user;
    std::vector<ContentBlock> content;
    bool operator==(const Message&) const = default;
};

}  // namespace tertulia::chat
