// How a turn came out, as the text that the store keeps.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/sessions/store.h"

namespace tertulia::storage {

/// A JSON object; members that say nothing (0, empty) are left out. Pure.
std::string outcome_to_json(const sessions::TurnOutcome& outcome);

/// The other way round: what is missing or not understood keeps its default (people and other versions write too).
/// Pure.
sessions::TurnOutcome outcome_from_json(std::string_view json);

}  // namespace tertulia::storage
