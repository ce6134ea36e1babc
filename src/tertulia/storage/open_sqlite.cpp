#include "tertulia/storage/open_sqlite.h"

#include "tertulia/storage/sqlite_store.h"

namespace tertulia::storage {

base::Result<std::unique_ptr<sessions::SessionStore>> open_sqlite(std::string path, const telemetry::Log& log,
                                                                  PriceBill priced) {
    auto store = SqliteStore::open({.path = std::move(path), .priced = std::move(priced)}, log);
    if (!store) return std::unexpected(store.error());
    return std::move(*store);
}

}  // namespace tertulia::storage
