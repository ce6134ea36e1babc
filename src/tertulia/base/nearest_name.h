// "Did you mean ...?"
#pragma once

#include <span>
#include <string_view>

namespace tertulia::base {

/// The name of `known` with the fewest edits (Levenshtein distance) from `given`; empty where even that one differs in
/// more than half of its characters, since a far-fetched guess confuses more than none.
std::string_view nearest_name(std::string_view given, std::span<const std::string_view> known);

}  // namespace tertulia::base
