// TERTULIA_SQLITE=OFF: a Lambda function has no disk that would keep a database.
#include "tertulia/storage/open_sqlite.h"

namespace tertulia::storage {

base::Result<std::unique_ptr<sessions::SessionStore>> open_sqlite(std::string, const telemetry::Log&, PriceBill) {
    return base::fail(base::Errc::invalid_request,
                      "This program was built without SQLite: its store must be another, not sqlite:PATH");
}

}  // namespace tertulia::storage
