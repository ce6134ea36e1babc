#include "tertulia/sessions/usage_query.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tertulia::sessions {
namespace {

constexpr std::array<std::pair<UsageGroup, std::string_view>, 4> names{{{UsageGroup::session, "session"},
                                                                        {UsageGroup::owner, "owner"},
                                                                        {UsageGroup::model, "model"},
                                                                        {UsageGroup::day, "day"}}};

}  // namespace

std::string_view to_string(UsageGroup group) {
    return std::ranges::find(names, group, &std::pair<UsageGroup, std::string_view>::first)->second;
}

std::optional<UsageGroup> parse_usage_group(std::string_view text) {
    const auto* const found = std::ranges::find(names, text, &std::pair<UsageGroup, std::string_view>::second);
    return found == names.end() ? std::nullopt : std::optional(found->first);
}

}  // namespace tertulia::sessions
