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
constexpr std::array<const char*, 4> steps{R"sql(
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
    usage_estimated INTEGER,        -- our own count: 1 of all, 2 of what came out, 3 of what went in
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
)sql",
                                           R"sql(
-- Only `turn` reads these two; they stand behind all that a history reads.
ALTER TABLE messages ADD COLUMN events BLOB;            -- the turn's events (sessions/event_record.h)
ALTER TABLE messages ADD COLUMN outcome TEXT;           -- JSON: how the turn came out
-- Turn ids grow with time: the index grows at its end.
CREATE INDEX messages_of_turn ON messages (turn_id) WHERE role = 'assistant';

ALTER TABLE sessions ADD COLUMN running_place TEXT;     -- the answer that the running turn rewrites
ALTER TABLE sessions ADD COLUMN running_number INTEGER; -- the number of its first event

-- What an answer was before another turn continued it; its content is the beginning of what it is now.
CREATE TABLE replaced_turns (
    owner TEXT NOT NULL,
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    place TEXT NOT NULL,            -- the timestamp of the answer
    next_turn TEXT NOT NULL,        -- the turn that continued it
    content_size INTEGER NOT NULL,  -- bytes
    created_at TEXT NOT NULL,
    blocks TEXT,
    state TEXT NOT NULL,
    model TEXT,
    stop_reason TEXT,
    input_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    output_tokens INTEGER,
    reasoning_tokens INTEGER,
    usage_estimated INTEGER,
    cost_nano INTEGER,
    events BLOB,
    outcome TEXT
);
CREATE UNIQUE INDEX replaced_turns_by_key ON replaced_turns (owner, session_id, turn_id);

CREATE TABLE idempotency (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,      -- of the request's body
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL     -- microseconds since 1970
);
CREATE UNIQUE INDEX idempotency_by_key ON idempotency (owner, key);
CREATE INDEX idempotency_of_session ON idempotency (owner, session_id);
CREATE INDEX idempotency_by_end ON idempotency (expires_at);

-- Pieces of running turns, many to a row (sqlite_running_turns.h).
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY,
    pieces BLOB NOT NULL
);
)sql",
                                           R"sql(
-- A row for each attempt that was billed. Only ever added to, also when its session is deleted; what is too old is
-- deleted by hand (docs/operations.md).
CREATE TABLE ledger (
    owner TEXT NOT NULL,
    ended_at INTEGER NOT NULL,      -- when its turn ended: microseconds since 1970
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    number INTEGER NOT NULL,        -- of the attempt among its turn's billed ones, from 1
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cache_write_long_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usage_estimated INTEGER NOT NULL, -- as in messages
    cost_nano INTEGER,              -- billionths of a dollar; NULL: no price was known
    hedge INTEGER NOT NULL,         -- 1: the loser of a hedge
    price_version TEXT
);
-- Grows at its end, as the table does, while there is one owner.
CREATE INDEX ledger_by_owner ON ledger (owner, ended_at);

ALTER TABLE sessions ADD COLUMN spent_nano INTEGER NOT NULL DEFAULT 0; -- the sum of its bills' costs
)sql",
                                           R"sql(
-- The ledger as one tree, in the order of its index: each turn wrote a page of both.
ALTER TABLE ledger RENAME TO ledger_before;
CREATE TABLE ledger (
    owner TEXT NOT NULL,
    ended_at INTEGER NOT NULL,      -- when its turn ended: microseconds since 1970
    session_id TEXT NOT NULL,
    turn_id TEXT NOT NULL,
    number INTEGER NOT NULL,        -- of the attempt among its turn's billed ones, from 1
    model TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cache_write_long_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    usage_estimated INTEGER NOT NULL, -- as in messages
    cost_nano INTEGER,              -- billionths of a dollar; NULL: no price was known
    hedge INTEGER NOT NULL,         -- 1: the loser of a hedge
    price_version TEXT,
    PRIMARY KEY (owner, ended_at, session_id, turn_id, number)
) WITHOUT ROWID;
INSERT INTO ledger SELECT owner, ended_at, session_id, turn_id,
    row_number() OVER (PARTITION BY owner, ended_at, session_id, turn_id ORDER BY number, rowid), model, input_tokens,
    cache_read_tokens, cache_write_tokens, cache_write_long_tokens, output_tokens, reasoning_tokens, usage_estimated,
    cost_nano, hedge, price_version FROM ledger_before;
DROP TABLE ledger_before;
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
