// Where a turn's time went, for a browser's tools.
#pragma once

#include <string>
#include <vector>

#include "tertulia/sessions/turn_result.h"

namespace tertulia::api {

/// The field's name: in the head of a JSON answer, behind the body of a stream.
inline constexpr const char* server_timing_field = "server-timing";

/// One metric for each call of a model (W3C Server Timing): `attempt-1;dur=120;desc="ok", attempt-2;...`. Models' names
/// come from clients, and are left out. Pure.
std::string server_timing(const std::vector<sessions::TurnAttempt>& attempts);

}  // namespace tertulia::api
