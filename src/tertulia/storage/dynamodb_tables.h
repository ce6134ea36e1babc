// The two tables, and how they are made.
#pragma once

#include <string>

#include "tertulia/storage/dynamodb_client.h"

namespace tertulia::storage {

/// Value.
struct DynamoTables {
    /// Messages: `session_id` and `timestamp`.
    std::string sessions = "chat_sessions";
    /// Everything else: `pk` and `sk`.
    std::string meta = "chat_meta";
    bool operator==(const DynamoTables&) const = default;
};

/// Makes the tables that are missing (on demand, with the TTL attribute `ttl`) and waits until they can be used; may be
/// repeated. Gives a line for people per table. Errors: those of the service; `conflict`: a table of that name has
/// other keys.
async::Task<base::Result<std::string>> create_tables(DynamoClient& client, DynamoTables tables,
                                                     base::Deadline deadline);

}  // namespace tertulia::storage
