// The names by which a model's price may be known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tertulia::billing {

/// The names that mean the same as `name` (`provider/id`), the most exact one first; `name` itself is the first. Pure.
/// See PriceTable for the rules.
std::vector<std::string> names_of_price(std::string_view name);

}  // namespace tertulia::billing
