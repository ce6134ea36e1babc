#include "tertulia/storage/sqlite_schema.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>

namespace tertulia::storage {
namespace {

// PRAGMA application_id: "Tert".
constexpr std::int64_t application_id = 0x54657274;
constexpr int check_busy_ms = 5000;

// Step N brings version N to N + 1. Steps that were ever released are never changed; new ones are added at the end.
//
// `messages` mirrors the message items of the DynamoDB design, one row each. It is a rowid table with a unique index:
// as WITHOUT ROWID its long rows would spill out of the key's tree, at three times the cost. `sessions` holds what can
// be known of a session without reading its messages.
constexpr std::array<const char*, 1> steps{R"sql(
CREATE TABLE messages (
    owner TEXT NOT NULL,
    session_id TEXT NOT NULL,
    timestamp TEXT NOT NULL,        -- the place in the session's order, as text
    role TEXT NOT NULL,             -- user, assistant
    content TEXT NOT NULL,          -- what people read
    created_at TEXT NOT NULL,       -- the wall clock's time
    blocks TEXT,                    -- JSON, where there is more than the text
    turn_id TEXT NOT NULL,
    state TEXT NOT NULL,            -- completed, failed, cancelled, interrupted
    model TEXT,
    stop_reason TEXT,
    input_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    usage_estimated INTEGER,        -- 1: our own count
    cost_nano INTEGER,              -- billionths of a dollar
    metadata TEXT                   -- the client's JSON object
);
CREATE UNIQUE INDEX messages_in_order ON messages (owner, session_id, timestamp);

CREATE TABLE sessions (
    owner TEXT NOT NULL,
    session_id TEXT NOT NULL,
    message_count INTEGER NOT NULL,
    last_timestamp TEXT NOT NULL,
    last_activity TEXT NOT NULL,
    first_words TEXT NOT NULL,
    model TEXT NOT NULL,
    system TEXT NOT NULL,
    context_from TEXT NOT NULL,
    context_window INTEGER NOT NULL,
    running_turn TEXT               -- the turn whose answer is not yet stored
);
CREATE UNIQUE INDEX sessions_by_key ON sessions (owner, session_id);
CREATE INDEX sessions_by_activity ON sessions (owner, last_activity, session_id);
CREATE INDEX sessions_running ON sessions (running_turn) WHERE running_turn IS NOT NULL;
)sql"};

}  // namespace

int schema_version() {
    return static_cast<int>(steps.size());
}

base::Error start_error(const std::string& path, const SqliteError& error) {
    return {.code = base::Errc::unavailable,
            .message = fmt::format("Cannot use the database {}: {} (SQLite code {})", path, error.text, error.code)};
}

base::Result<void> check_schema(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return {};
    auto database = SqliteDatabase::open(path, SqliteDatabase::Mode::read_only, check_busy_ms);
    if (!database) return std::unexpected(start_error(path, database.error()));
    const std::int64_t version = database->query_integer("PRAGMA user_version");
    const std::int64_t application = database->query_integer("PRAGMA application_id");
    const std::int64_t tables = database->query_integer("SELECT count(*) FROM sqlite_schema");
    if (const auto error = database->take_error()) return std::unexpected(start_error(path, *error));
    if (application != application_id && (application != 0 || version != 0 || tables != 0))
        return base::fail(base::Errc::conflict,
                          fmt::format("{} is another program's database; choose another path", path));
    if (version > schema_version())
        return base::fail(base::Errc::conflict,
                          fmt::format("{} was made by a newer version of Tertulia (schema {}, this program knows {}); "
                                      "upgrade the program or choose another path. The file was not changed",
                                      path, version, schema_version()));
    return {};
}

base::Result<void> migrate(SqliteDatabase& database) {
    // Whoever writes first decides; the version is read again inside the transaction.
    for (int version = 0; version < schema_version(); ++version) {
        database.execute("BEGIN IMMEDIATE");
        if (database.query_integer("PRAGMA user_version") == version) {
            database.execute(steps.at(static_cast<std::size_t>(version)));
            database.execute(fmt::format("PRAGMA application_id = {}", application_id).c_str());
            database.execute(fmt::format("PRAGMA user_version = {}", version + 1).c_str());
        }
        database.execute("COMMIT");
        if (const auto error = database.take_error()) {
            if (database.in_transaction()) database.execute("ROLLBACK");
            database.take_error();
            return base::fail(base::Errc::unavailable,
                              fmt::format("The database cannot be brought to schema {}: {}", version + 1, error->text));
        }
    }
    return {};
}

}  // namespace tertulia::storage
