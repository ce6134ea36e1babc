// The process's environment, as a value.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace tertulia::base {

/// Read once, at the program's start, and handed on. Value.
using Environment = std::map<std::string, std::string, std::less<>>;

/// A variable that is empty counts as absent: some platforms set all that they know of.
inline std::string_view variable(const Environment& environment, std::string_view name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string_view{} : std::string_view(found->second);
}

}  // namespace tertulia::base
