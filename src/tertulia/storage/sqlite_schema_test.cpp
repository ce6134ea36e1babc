#include "tertulia/storage/sqlite_schema.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tertulia/storage/sqlite_store.h"
#include "tests/support/store_conformance.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::storage {
namespace {

using testing::HasSubstr;

SqliteDatabase make(const std::string& path) {
    return std::move(SqliteDatabase::open(path, SqliteDatabase::Mode::create, 100).value());
}

std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SqliteSchema, a_missing_or_empty_file_is_brought_to_the_newest_version) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "a.db";
    EXPECT_TRUE(check_schema(path));
    EXPECT_FALSE(std::filesystem::exists(path));
    std::ofstream(path).close();
    EXPECT_TRUE(check_schema(path));
    SqliteDatabase database = make(path);
    ASSERT_TRUE(migrate(database));
    EXPECT_EQ(database.query_integer("PRAGMA user_version"), schema_version());
    EXPECT_EQ(database.query_integer("SELECT count(*) FROM messages"), 0);
    EXPECT_TRUE(check_schema(path));
    // Again, with nothing left to do.
    ASSERT_TRUE(migrate(database));
    EXPECT_FALSE(database.failed());
}

TEST(SqliteSchema, a_newer_version_is_refused_and_left_untouched) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "a.db";
    {
        SqliteDatabase database = make(path);
        ASSERT_TRUE(migrate(database));
        database.execute("PRAGMA user_version = 999");
    }
    const std::string before = bytes_of(path);
    const auto checked = check_schema(path);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, base::Errc::conflict);
    EXPECT_THAT(checked.error().message, HasSubstr("newer version"));
    EXPECT_THAT(checked.error().message, HasSubstr(path));
    EXPECT_TRUE(bytes_of(path) == before);
}

TEST(SqliteSchema, another_programs_database_is_refused) {
    const tests::TemporaryFolder folder;
    for (const char* sql : {"CREATE TABLE theirs (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"}) {
        const std::string path = folder / "a.db";
        std::filesystem::remove(path);
        {
            SqliteDatabase database = make(path);
            database.execute(sql);
        }
        const auto checked = check_schema(path);
        ASSERT_FALSE(checked) << sql;
        EXPECT_EQ(checked.error().code, base::Errc::conflict);
        EXPECT_THAT(checked.error().message, HasSubstr("another program's"));
    }
}

TEST(SqliteSchema, a_file_that_is_no_database_is_refused) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "a.db";
    std::ofstream(path) << std::string(4096, 'x');
    const auto checked = check_schema(path);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, base::Errc::unavailable);
    EXPECT_THAT(checked.error().message, HasSubstr("not a database"));
}

TEST(SqliteSchema, a_step_that_fails_leaves_the_version_before_it) {
    const tests::TemporaryFolder folder;
    SqliteDatabase database = make(folder / "a.db");
    database.execute("CREATE TABLE sessions (in_the_way)");
    EXPECT_FALSE(migrate(database));
    EXPECT_FALSE(database.in_transaction());
    EXPECT_EQ(database.query_integer("PRAGMA user_version"), 0);
    EXPECT_EQ(database.query_integer("SELECT count(*) FROM sqlite_schema"), 1);
}

// What the first released version made, with a conversation in it.
constexpr const char* version_1 = R"sql(
CREATE TABLE messages (owner TEXT NOT NULL, session_id TEXT NOT NULL, timestamp TEXT NOT NULL, role TEXT NOT NULL,
    content TEXT NOT NULL, created_at TEXT NOT NULL, blocks TEXT, turn_id TEXT NOT NULL, state TEXT NOT NULL,
    model TEXT, stop_reason TEXT, input_tokens INTEGER, cache_read_tokens INTEGER, cache_write_tokens INTEGER,
    output_tokens INTEGER, reasoning_tokens INTEGER, usage_estimated INTEGER, cost_nano INTEGER, metadata TEXT);
CREATE UNIQUE INDEX messages_in_order ON messages (owner, session_id, timestamp);
CREATE TABLE sessions (owner TEXT NOT NULL, session_id TEXT NOT NULL, message_count INTEGER NOT NULL,
    last_timestamp TEXT NOT NULL, last_activity TEXT NOT NULL, first_words TEXT NOT NULL, model TEXT NOT NULL,
    system TEXT NOT NULL, context_from TEXT NOT NULL, context_window INTEGER NOT NULL, running_turn TEXT);
CREATE UNIQUE INDEX sessions_by_key ON sessions (owner, session_id);
CREATE INDEX sessions_by_activity ON sessions (owner, last_activity, session_id);
CREATE INDEX sessions_running ON sessions (running_turn) WHERE running_turn IS NOT NULL;
PRAGMA application_id = 1415934580;
PRAGMA user_version = 1;
INSERT INTO messages (owner, session_id, timestamp, role, content, created_at, turn_id, state, model) VALUES
    ('local', 's', '2024-11-22T10:30:01.000000Z', 'user', 'hello', 'x', 't1', 'completed', NULL),
    ('local', 's', '2024-11-22T10:30:02.000000Z', 'assistant', 'hi', 'x', 't1', 'completed', 'a/b'),
    ('local', 's', '2024-11-22T10:30:03.000000Z', 'user', 'more', 'x', 't2', 'completed', NULL);
INSERT INTO sessions VALUES ('local', 's', 3, '2024-11-22T10:30:03.000000Z', 'x', 'hello', 'a/b', '', '', 0, 't2');
)sql";

TEST(SqliteSchema, a_file_of_the_first_version_keeps_its_sessions) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "a.db";
    make(path).execute(version_1);
    ASSERT_TRUE(check_schema(path));
    const telemetry::Log silent(telemetry::Level::off, telemetry::Log::Form::json);
    const auto store = SqliteStore::open({.path = path}, silent).value();
    EXPECT_EQ(make(path).query_integer("PRAGMA user_version"), schema_version());
    tests::StoreRunner runner;
    const sessions::SessionKey key{"local", "s"};
    const auto turn = runner.run(store->turn({key, "t1"})).value().value();
    EXPECT_EQ(turn.question.content, "hello");
    EXPECT_EQ(turn.answer.value().content, "hi");
    EXPECT_EQ(turn.answer->events, "");
    EXPECT_FALSE(turn.answer->outcome);
    EXPECT_EQ(runner.run(store->next_turn({key, "t1"})).value(), "t2");
    EXPECT_FALSE(runner.run(store->turn({key, "t2"})).value().value().answer);
    EXPECT_EQ(runner.run(store->close_interrupted(0)).value(), 1);
    const auto lost = runner.run(store->turn({key, "t2"})).value().value();
    EXPECT_EQ(lost.answer.value().state, sessions::TurnState::interrupted);
    EXPECT_EQ(lost.answer->model, "a/b");
    // The ledger begins empty: what was before it is not billed again.
    EXPECT_EQ(runner.run(store->usage({.owner = "local"})).value().total, sessions::UsageRow{});
    EXPECT_EQ(runner.run(store->open(key, 1, 100)).value().value().header.spent_nano, 0);
}

// What version 3 made of the ledger, with two bills of one turn and one of another.
constexpr const char* ledger_of_version_3 = R"sql(
DROP TABLE ledger;
CREATE TABLE ledger (owner TEXT NOT NULL, ended_at INTEGER NOT NULL, session_id TEXT NOT NULL, turn_id TEXT NOT NULL,
    number INTEGER NOT NULL, model TEXT NOT NULL, input_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL, cache_write_long_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL, usage_estimated INTEGER NOT NULL, cost_nano INTEGER, hedge INTEGER NOT NULL,
    price_version TEXT);
CREATE INDEX ledger_by_owner ON ledger (owner, ended_at);
INSERT INTO ledger VALUES
    ('local', 1700000000000000, 's', 't1', 1, 'a/b', 1, 2, 3, 4, 5, 6, 0, 7000, 0, '2025-11-26'),
    ('local', 1700000000000000, 's', 't1', 2, 'a/c', 10, 0, 0, 0, 0, 0, 1, 500, 1, '2025-11-26'),
    ('local', 1700086400000000, 's2', 't2', 1, 'a/b', 100, 0, 0, 0, 0, 0, 0, NULL, 0, NULL);
PRAGMA user_version = 3;
)sql";

TEST(SqliteSchema, the_ledger_of_the_third_version_keeps_its_bills) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "a.db";
    {
        SqliteDatabase database = make(path);
        ASSERT_TRUE(migrate(database));
        database.execute(ledger_of_version_3);
        ASSERT_FALSE(database.failed());
    }
    const telemetry::Log silent(telemetry::Level::off, telemetry::Log::Form::json);
    const auto store = SqliteStore::open({.path = path}, silent).value();
    EXPECT_EQ(make(path).query_integer("PRAGMA user_version"), schema_version());
    EXPECT_EQ(make(path).query_integer("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'ledger%'"), 1);
    tests::StoreRunner runner;
    const auto report =
        runner.run(store->usage({.owner = "local", .group_by = {sessions::UsageGroup::session}})).value();
    EXPECT_EQ(report.total, (sessions::UsageRow{.turns = 2,
                                                .input_tokens = 101,
                                                .cache_read_tokens = 2,
                                                .cache_write_tokens = 7,
                                                .output_tokens = 5,
                                                .reasoning_tokens = 6,
                                                .cost_nano = 7000,
                                                .hedge_nano = 500,
                                                .unpriced_turns = 1}));
    ASSERT_EQ(report.rows.size(), 2u);
    EXPECT_EQ(report.rows[0].session_id, "s");
    EXPECT_EQ(report.rows[1].input_tokens, 100);
}

TEST(SqliteDatabase, its_first_error_sticks_until_it_is_taken) {
    const tests::TemporaryFolder folder;
    SqliteDatabase database = make(folder / "a.db");
    database.execute("CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)");
    SqliteStatement insert(database, "INSERT INTO t VALUES (?1)");
    insert.run(std::int64_t{2});
    insert.run(std::int64_t{1});
    insert.run(std::int64_t{3});  // does nothing
    ASSERT_TRUE(database.failed());
    const auto error = database.take_error();
    EXPECT_THAT(error->text, HasSubstr("UNIQUE"));
    EXPECT_TRUE(error->is_about_statement());
    EXPECT_EQ(database.query_integer("SELECT count(*) FROM t"), 2);
    insert.run(std::int64_t{3});
    EXPECT_EQ(database.query_integer("SELECT count(*) FROM t"), 3);
}

}  // namespace
}  // namespace tertulia::storage
