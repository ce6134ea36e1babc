// What is SQLite's own about the default store. The rest is in the conformance suite; killed servers are in
// tests/blackbox.
#include "tertulia/storage/sqlite_store.h"

#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <future>

#include "tertulia/async/spawn.h"
#include "tertulia/storage/sqlite_database.h"
#include "tests/support/store_conformance.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::tests {
namespace {

using base::Errc;
using storage::SqliteDatabase;
using storage::SqliteOptions;
using storage::SqliteStore;
using testing::HasSubstr;

constexpr std::int64_t no_limit = 1 << 30;

class SqliteStoreTest : public testing::Test {
  protected:
    std::unique_ptr<SqliteStore> open(SqliteOptions options = {}) {
        options.path = path;
        return std::move(SqliteStore::open(options, silent).value());
    }
    SqliteDatabase plain(SqliteDatabase::Mode mode = SqliteDatabase::Mode::read_only) {
        return std::move(SqliteDatabase::open(path, mode, 5000).value());
    }
    template <class T>
    T run(async::Task<T> task) {
        return runner.run(std::move(task));
    }
    // Starts a task without waiting for it.
    template <class T>
    std::future<T> begin(async::Task<T> task) {
        std::promise<T> promise;
        auto future = promise.get_future();
        async::spawn(runner.executor(), fulfil(std::move(task), std::move(promise)),
                     [](std::exception_ptr exception) { EXPECT_FALSE(exception); });
        return future;
    }
    template <class T>
    static async::Task<void> fulfil(async::Task<T> task, std::promise<T> promise) {
        promise.set_value(co_await std::move(task));
    }

    const telemetry::Log silent{telemetry::Level::off, telemetry::Log::Form::json};
    TemporaryFolder folder;
    const std::string path = folder / "deep/er/tertulia.db";
    StoreRunner runner;
};

TEST_F(SqliteStoreTest, what_was_written_is_there_after_reopening) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "hello"))));
    store.reset();
    store = open();
    EXPECT_EQ(run(store->open({"local", "s"}, 9, no_limit)).value().value().newest.at(0).content, "hello");
    EXPECT_EQ(run(store->close_interrupted(0)).value(), 1);
    EXPECT_EQ(run(store->open({"local", "s"}, 9, no_limit)).value().value().header.message_count, 2);
}

TEST_F(SqliteStoreTest, what_was_acknowledged_is_in_the_files_at_that_moment) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "hello"))));
    // As after a crash: the database and its log, nothing tidied up.
    const std::string copy = folder / "copy.db";
    std::filesystem::copy_file(path, copy);
    std::filesystem::copy_file(path + "-wal", copy + "-wal");
    const auto other = SqliteStore::open({.path = copy}, silent);
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(run((*other)->open({"local", "s"}, 9, no_limit)).value().value().newest.at(0).content, "hello");
    EXPECT_EQ(run((*other)->close_interrupted(0)).value(), 1);
}

TEST_F(SqliteStoreTest, a_conversation_can_be_read_with_plain_sqlite) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1), "hello"))));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2), "hi"))));
    SqliteDatabase database = plain();
    storage::SqliteStatement select(database,
                                    "SELECT group_concat(role || ': ' || content, '; ') FROM (SELECT * FROM messages "
                                    "WHERE owner = 'local' AND session_id = 's' ORDER BY timestamp)");
    auto rows = select.query();
    ASSERT_TRUE(rows.next());
    EXPECT_EQ(rows.text(0), "user: hello; assistant: hi");
}

TEST_F(SqliteStoreTest, the_file_is_its_owners_alone) {
    auto store = open();
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(SqliteStoreTest, a_second_server_on_the_same_file_is_refused) {
    auto store = open();
    std::filesystem::create_symlink(path, folder / "link.db");
    for (const std::string& name : {path, folder / "link.db", folder / "deep/../deep/er/tertulia.db"}) {
        const auto second = SqliteStore::open({.path = name}, silent);
        ASSERT_FALSE(second) << name;
        EXPECT_EQ(second.error().code, Errc::unavailable);
        EXPECT_THAT(second.error().message, HasSubstr("in use by another server (process "));
        EXPECT_THAT(second.error().message, HasSubstr(name));
    }
    store.reset();
    EXPECT_TRUE(SqliteStore::open({.path = path}, silent));
}

TEST_F(SqliteStoreTest, a_folder_that_cannot_be_made_is_an_error) {
    std::ofstream(folder / "file") << "x";
    const auto store = SqliteStore::open({.path = folder / "file/tertulia.db"}, silent);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::unavailable);
}

TEST_F(SqliteStoreTest, a_newer_file_is_refused) {
    open().reset();
    plain(SqliteDatabase::Mode::read_write).execute("PRAGMA user_version = 999");
    const auto store = SqliteStore::open({.path = path}, silent);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::conflict);
    EXPECT_EQ(plain().query_integer("PRAGMA user_version"), 999);
}

TEST_F(SqliteStoreTest, a_full_disk_is_unavailable_and_loses_nothing_acknowledged) {
    auto store = open({.max_pages = 64});
    const std::string large(20'000, 'x');
    int acknowledged = 0;
    base::Error error;
    for (int i = 0; i < 100; ++i) {
        const auto result = run(store->begin_turn(start_of("s" + std::to_string(i), "t", at(i), large)));
        if (!result) {
            error = result.error();
            break;
        }
        ++acknowledged;
    }
    EXPECT_EQ(error.code, Errc::unavailable);
    EXPECT_THAT(error.message, HasSubstr("nothing was saved"));
    EXPECT_GT(acknowledged, 2);
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM messages"), acknowledged);
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM sessions"), acknowledged);
    // Reading goes on, and so does writing once there is room again.
    EXPECT_TRUE(run(store->open({"local", "s0"}, 9, no_limit)).value().has_value());
    EXPECT_TRUE(run(store->remove({"local", "s0"})).value());
    EXPECT_TRUE(run(store->begin_turn(start_of("new", "t", at(1), large))));
    store.reset();
    store = open();
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM messages"), acknowledged);
}

TEST_F(SqliteStoreTest, a_full_disk_fails_the_group_that_met_it_and_no_other) {
    auto store = open({.max_pages = 64});
    const std::string large(20'000, 'x');
    std::vector<std::future<base::Result<void>>> results;
    for (int i = 0; i < 60; ++i)
        results.push_back(begin(store->begin_turn(start_of("s" + std::to_string(i), "t", at(i), large))));
    std::int64_t acknowledged = 0;
    for (auto& result : results) acknowledged += result.get().has_value() ? 1 : 0;
    EXPECT_LT(acknowledged, 60);
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM messages"), acknowledged);
}

TEST_F(SqliteStoreTest, a_lock_that_another_program_keeps_is_unavailable) {
    auto store = open({.busy_ms = 1});
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    SqliteDatabase other = plain(SqliteDatabase::Mode::read_write);
    other.execute("BEGIN IMMEDIATE");
    const auto result = run(store->end_turn(end_of("s", "t1", at(2))));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
    // Readers do not care.
    EXPECT_TRUE(run(store->open({"local", "s"}, 9, no_limit)).value().has_value());
    other.execute("COMMIT");
    EXPECT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
}

TEST_F(SqliteStoreTest, what_waits_together_is_committed_together) {
    auto store = open();
    const std::uint64_t before = store->commits();
    SqliteDatabase other = plain(SqliteDatabase::Mode::read_write);
    other.execute("BEGIN IMMEDIATE");
    // The first one waits for the lock; the others gather behind it.
    std::vector<std::future<base::Result<void>>> results;
    for (int i = 0; i < 200; ++i)
        results.push_back(begin(store->begin_turn(start_of("s" + std::to_string(i), "t", at(1)))));
    runner.run([]() -> async::Task<bool> { co_return true; }());  // all of them are queued by now
    other.execute("COMMIT");
    for (auto& result : results) EXPECT_TRUE(result.get());
    EXPECT_LE(store->commits() - before, 3u);
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM messages"), 200);
}

TEST_F(SqliteStoreTest, a_refused_operation_does_not_touch_its_group) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(5)))));
    SqliteDatabase other = plain(SqliteDatabase::Mode::read_write);
    other.execute("BEGIN IMMEDIATE");
    auto good = begin(store->begin_turn(start_of("a", "t", at(1))));
    auto late = begin(store->begin_turn(start_of("s", "t2", at(1))));
    auto unknown = begin(store->end_turn(end_of("nowhere", "t", at(1))));
    auto last = begin(store->begin_turn(start_of("b", "t", at(1))));
    runner.run([]() -> async::Task<bool> { co_return true; }());
    other.execute("COMMIT");
    EXPECT_TRUE(good.get());
    EXPECT_EQ(late.get().error().code, Errc::conflict);
    EXPECT_EQ(unknown.get().error().code, Errc::not_found);
    EXPECT_TRUE(last.get());
}

TEST_F(SqliteStoreTest, a_failing_statement_does_not_spoil_its_group) {
    auto store = open();
    plain(SqliteDatabase::Mode::read_write)
        .execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.content = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END");
    SqliteDatabase other = plain(SqliteDatabase::Mode::read_write);
    other.execute("BEGIN IMMEDIATE");
    std::vector<std::future<base::Result<void>>> results;
    for (int i = 0; i < 5; ++i)
        results.push_back(
            begin(store->begin_turn(start_of("s" + std::to_string(i), "t", at(1), i == 2 ? "bad" : "good"))));
    runner.run([]() -> async::Task<bool> { co_return true; }());
    other.execute("COMMIT");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get().has_value(), i != 2) << i;
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM messages"), 4);
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM sessions"), 4);
}

TEST_F(SqliteStoreTest, a_file_that_was_removed_under_the_server_is_unavailable) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    std::filesystem::rename(path, path + ".old");
    const auto result = run(store->end_turn(end_of("s", "t1", at(2))));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
    std::filesystem::rename(path + ".old", path);
    EXPECT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
}

TEST_F(SqliteStoreTest, messages_that_another_program_added_keep_their_place) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2)))));
    plain(SqliteDatabase::Mode::read_write)
        .execute(
            "INSERT INTO messages (owner, session_id, timestamp, role, content, created_at, turn_id, state) VALUES "
            "('local', 's', '2024-11-22T10:30:07+00:00', 'user', 'by hand', 'x', '', 'completed'), "
            "('local', 'new', '2024-11-22T10:30:07+00:00', 'user', 'by hand', 'x', '', 'odd')");
    const auto snapshot = run(store->open({"local", "s"}, 1, no_limit)).value().value();
    EXPECT_EQ(snapshot.header.last_timestamp, "2024-11-22T10:30:07+00:00");
    EXPECT_EQ(run(store->begin_turn(start_of("s", "t2", at(5)))).error().code, Errc::conflict);
    EXPECT_TRUE(run(store->begin_turn(start_of("s", "t2", at(8)))));
    EXPECT_TRUE(run(store->begin_turn(start_of("new", "t3", at(8)))));
    EXPECT_EQ(run(store->open({"local", "new"}, 9, no_limit)).value().value().header.message_count, 2);
}

TEST_F(SqliteStoreTest, readers_see_whole_turns_while_the_writer_writes) {
    auto store = open();
    constexpr int turns = 100;
    const auto write = [](SqliteStore& store, int writer) -> async::Task<bool> {
        const std::string session = "s" + std::to_string(writer);
        bool good = true;
        for (int i = 0; i < turns; ++i) {
            good = good && co_await store.begin_turn(start_of(session, "t" + std::to_string(i), at(2 * i)));
            good = good && co_await store.end_turn(end_of(session, "t" + std::to_string(i), at(2 * i + 1)));
        }
        co_return good;
    };
    std::vector<std::future<bool>> writers;
    for (int writer = 0; writer < 4; ++writer) writers.push_back(begin(write(*store, writer)));
    int read = 0;
    while (writers.back().wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        const auto snapshot = run(store->open({"local", "s0"}, 1000, no_limit)).value();
        if (!snapshot) continue;
        ++read;
        // Header and messages are of the same moment.
        ASSERT_EQ(snapshot->header.message_count, std::ssize(snapshot->newest));
        ASSERT_EQ(snapshot->header.last_timestamp, snapshot->newest.front().timestamp);
    }
    for (auto& writer : writers) EXPECT_TRUE(writer.get());
    EXPECT_GT(read, 0);
    EXPECT_EQ(run(store->open({"local", "s0"}, 1000, no_limit)).value().value().header.message_count, 2 * turns);
}

TEST_F(SqliteStoreTest, the_log_beside_the_file_stays_bounded) {
    auto store = open();
    const std::string large(1 << 20, 'x');
    std::uintmax_t longest = 0;
    for (int i = 0; i < 150; ++i) {
        ASSERT_TRUE(run(store->begin_turn(start_of("s" + std::to_string(i), "t", at(1), large))));
        longest = std::max(longest, std::filesystem::file_size(path + "-wal"));
    }
    EXPECT_LT(longest, 80u << 20);
}

}  // namespace
}  // namespace tertulia::tests
