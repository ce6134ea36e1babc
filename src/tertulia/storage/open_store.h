// From the configuration's `store` to a store.
#pragma once

#include <memory>
#include <string_view>

#include "tertulia/base/clock.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Opens `sqlite:PATH` (made if missing, its folder too), `memory:` or `dynamodb:` (tables, region, credentials and
/// address as `environment` says; nothing is asked yet). `log`, `clock` and `random` must outlive the store, and what
/// `priced` (for the bills of interrupted turns) refers to. Errors, with a message for the operator: `invalid_request`
/// for another `spec` or a wrong environment; `unavailable` where the file cannot be opened or another server uses it;
/// `conflict` where it was made by a newer version or another program.
base::Result<std::unique_ptr<sessions::SessionStore>> open_store(std::string_view spec, const telemetry::Log& log,
                                                                 PriceBill priced = {},
                                                                 const base::Environment& environment = {},
                                                                 const base::Clock& clock = base::system_clock(),
                                                                 base::Random& random = base::system_random());

/// What a `store` may be, for people: "sqlite:PATH, memory: or dynamodb:".
inline constexpr std::string_view store_kinds = "sqlite:PATH, memory: or dynamodb:";
/// Is it one of these? Pure.
bool is_store(std::string_view spec);

}  // namespace tertulia::storage
