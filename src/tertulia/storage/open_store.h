// From the configuration's `store` to a store.
#pragma once

#include <memory>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Opens `sqlite:PATH` (made if missing, its folder too) or `memory:`. `log` must outlive the store, and what `priced`
/// (for the bills of interrupted turns) refers to. Errors, with a
/// message for the operator: `invalid_request` for another `spec`; `unavailable` where the file cannot be opened or
/// another server uses it; `conflict` where it was made by a newer version or another program.
base::Result<std::unique_ptr<sessions::SessionStore>> open_store(std::string_view spec, const telemetry::Log& log,
                                                                 PriceBill priced = {});

}  // namespace tertulia::storage
