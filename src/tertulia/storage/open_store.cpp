#include "tertulia/storage/open_store.h"

#include <fmt/format.h>

#include "tertulia/storage/memory_store.h"
#include "tertulia/storage/open_sqlite.h"

namespace tertulia::storage {

base::Result<std::unique_ptr<sessions::SessionStore>> open_store(std::string_view spec, const telemetry::Log& log,
                                                                 PriceBill priced) {
    constexpr std::string_view sqlite = "sqlite:";
    if (spec == "memory:") return std::make_unique<MemoryStore>();
    // SQLite's own name for a database in memory would be a different one for each connection.
    if (spec.starts_with(sqlite) && spec.size() > sqlite.size() && spec != "sqlite::memory:")
        return open_sqlite(std::string(spec.substr(sqlite.size())), log, std::move(priced));
    return base::fail(base::Errc::invalid_request,
                      fmt::format("The store must be sqlite:PATH or memory:, not \"{}\"", spec));
}

}  // namespace tertulia::storage
