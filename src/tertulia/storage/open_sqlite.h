// SQLite, where the program has it.
#pragma once

#include <memory>
#include <string>

#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// `open_store` with `sqlite:PATH`. A program without SQLite (TERTULIA_SQLITE=OFF) answers `invalid_request`.
base::Result<std::unique_ptr<sessions::SessionStore>> open_sqlite(std::string path, const telemetry::Log& log,
                                                                  PriceBill priced);

}  // namespace tertulia::storage
