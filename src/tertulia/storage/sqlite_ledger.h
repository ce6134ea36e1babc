// The bills of all turns, as a table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tertulia/billing/bill.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/usage_query.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// Adds to the table `ledger`, a row for each bill; nothing here ever changes or deletes one. Inside the caller's
/// transaction. One per worker.
class SqliteLedger {
  public:
    explicit SqliteLedger(SqliteDatabase& database);

    /// `ended_at`: in the store's form of time.
    void add(const sessions::TurnName& turn, std::string_view ended_at, std::span<const billing::Bill> bills);
    /// Were bills of this turn added within the day before `ended_at`?
    bool has(const sessions::TurnName& turn, std::string_view ended_at);

  private:
    SqliteStatement insert_;
    SqliteStatement find_;
};

/// SessionStore::usage, on one connection. Where the database has failed by then the result means nothing.
sessions::UsageReport read_usage(SqliteDatabase& database, const sessions::UsageQuery& query);

}  // namespace tertulia::storage
