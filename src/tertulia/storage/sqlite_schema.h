// The tables, and how older ones become newer ones.
#pragma once

#include <string>

#include "tertulia/base/error.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// The version that this program reads and writes (PRAGMA user_version).
int schema_version();

/// May this program open the file at `path`? Only reads. `conflict`: it was made by a newer version, or by another
/// program; `unavailable`: it cannot be read. A missing or empty file is fine.
base::Result<void> check_schema(const std::string& path);

/// Brings a checked database to `schema_version()`, in one transaction for each step.
base::Result<void> migrate(SqliteDatabase& database);

/// An error for the operator, at start.
base::Error start_error(const std::string& path, const SqliteError& error);

}  // namespace tertulia::storage
