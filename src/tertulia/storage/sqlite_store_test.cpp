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
#include "tertulia/base/date_text.h"
#include "tertulia/sessions/event_record.h"
#include "tertulia/sessions/stored_answer.h"
#include "tertulia/sessions/turn_checkpoint.h"
#include "tertulia/storage/sqlite_database.h"
#include "tests/support/store_conformance.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::tests {
namespace {

using base::Errc;
using storage::SqliteDatabase;
using storage::SqliteOptions;
using storage::SqliteStore;
using testing::ElementsAre;
using testing::Gt;
using testing::HasSubstr;

constexpr std::int64_t no_limit = 1 << 30;

// A turn's checkpoints: its start, then one text event each.
class Pieces {
  public:
    Pieces(std::string session, std::string turn)
        : turn_(std::make_shared<const sessions::TurnName>(
              sessions::TurnName{{"local", std::move(session)}, std::move(turn)})) {}

    sessions::TurnCheckpoint next(std::string_view text) {
        if (events_.last_number() == 0) events_.add({.kind = sessions::EventKind::started, .number = 1});
        events_.add({.kind = sessions::EventKind::text,
                     .number = events_.last_number() + 1,
                     .text_size = static_cast<std::uint32_t>(text.size())});
        const std::string_view record =
            std::string_view(events_.bytes()).substr(std::exchange(done_, events_.bytes().size()));
        return {.turn = turn_, .data = sessions::TurnRemains::piece("fake/model", "fake", 0, record, text, 250)};
    }

  private:
    std::shared_ptr<const sessions::TurnName> turn_;
    sessions::EventRecord events_;
    std::size_t done_ = 0;
};

class SqliteStoreTest : public testing::Test {
  protected:
    std::unique_ptr<SqliteStore> open(SqliteOptions options = {}) {
        options.path = path;
        return std::move(SqliteStore::open(options, silent).value());
    }
    SqliteDatabase plain(SqliteDatabase::Mode mode = SqliteDatabase::Mode::read_only) {
        return std::move(SqliteDatabase::open(path, mode, 5000).value());
    }
    // A store on what a crash would have left at this moment: the database and its log, nothing tidied up.
    std::unique_ptr<SqliteStore> crash(const std::string& from, storage::PriceBill priced = {}) {
        std::filesystem::remove(copy + "-shm");
        for (const std::string suffix : {"", "-wal"})
            std::filesystem::copy_file(from + suffix, copy + suffix, std::filesystem::copy_options::overwrite_existing);
        return std::move(SqliteStore::open({.path = copy, .priced = std::move(priced)}, silent).value());
    }
    SqliteDatabase plain_copy() {
        return std::move(SqliteDatabase::open(copy, SqliteDatabase::Mode::read_only, 5000).value());
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
    const std::string copy = folder / "copy.db";
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
    const auto other = crash(path);
    EXPECT_EQ(run(other->open({"local", "s"}, 9, no_limit)).value().value().newest.at(0).content, "hello");
    EXPECT_EQ(run(other->close_interrupted(0)).value(), 1);
}

TEST_F(SqliteStoreTest, what_was_checkpointed_is_the_answer_after_a_crash) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("Hel")})));
    ASSERT_TRUE(run(store->checkpoint({pieces.next("l"), pieces.next("o")})));
    auto after = crash(path);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), 1);
    const auto answer = run(after->turn({{"local", "s"}, "t1"})).value().value().answer.value();
    EXPECT_EQ(answer.content, "Hello");
    EXPECT_EQ(answer.state, sessions::TurnState::interrupted);
    EXPECT_EQ(answer.model, "fake/model");
    const auto events = sessions::restore_events(answer);
    EXPECT_EQ(events.bytes, "Hello");
    std::vector<std::uint32_t> numbers;
    sessions::EventEntry entry;
    for (sessions::EventCursor cursor; cursor.next(events.record, entry);) numbers.push_back(entry.number);
    EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, Gt(sessions::first_reserved_numbers)));
    EXPECT_EQ(plain_copy().query_integer("SELECT count(*) FROM checkpoints"), 0);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), 0);
    after.reset();
    // The end comes in the place of what was checkpointed.
    ASSERT_TRUE(run(store->end_turn(end_of("s", "t1", at(2), "Hello, world"))));
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 0);
    EXPECT_EQ(run(crash(path)->close_interrupted(0)).value(), 0);
}

TEST_F(SqliteStoreTest, many_turns_are_checkpointed_together) {
    auto store = open();
    constexpr int count = 60;
    std::vector<Pieces> turns;
    std::vector<std::string> expected(count);
    for (int i = 0; i < count; ++i) {
        const std::string session = "s" + std::to_string(i);
        ASSERT_TRUE(run(store->begin_turn(start_of(session, "t", at(1)))));
        turns.emplace_back(session, "t");
    }
    for (int round = 0; round < 10; ++round) {
        std::vector<sessions::TurnCheckpoint> pieces;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string text = fmt::format("{}:{} ", i, round);
            pieces.push_back(turns[i].next(text));
            expected[i] += text;
        }
        ASSERT_TRUE(run(store->checkpoint(std::move(pieces))));
        // Some end meanwhile; of those nothing comes back.
        const std::string ended = "s" + std::to_string(round);
        ASSERT_TRUE(run(store->end_turn(end_of(ended, "t", at(2), "whole"))));
    }
    for (std::size_t i = 0; i < 10; ++i) expected[i] = "whole";
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 10);
    const auto after = crash(path);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), count - 10);
    for (std::size_t i = 0; i < count; ++i) {
        const std::string session = "s" + std::to_string(i);
        const auto turn = run(after->turn({{"local", session}, "t"})).value().value();
        EXPECT_EQ(turn.answer.value().content, expected[i]);
    }
}

// A nano-dollar for each token, whatever it is.
billing::Bill at_one_nano(billing::Bill bill) {
    bill.cost_nano = bill.usage.prompt() + bill.usage.completion();
    bill.price_version = "v";
    return bill;
}

TEST_F(SqliteStoreTest, an_interrupted_turn_is_billed_by_our_own_estimate) {
    const auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("Four words of it")})));
    ASSERT_TRUE(run(store->begin_turn(start_of("silent", "t2", at(1)))));
    const auto after = crash(path, at_one_nano);
    EXPECT_EQ(run(after->close_interrupted(base::parse_rfc3339(at(9)).value())).value(), 2);
    const auto report = run(after->usage({.owner = "local", .group_by = {sessions::UsageGroup::model}})).value();
    // The one that had said nothing is not billed.
    const sessions::UsageRow row{
        .model = "fake/model", .turns = 1, .input_tokens = 250, .output_tokens = 4, .cost_nano = 254};
    EXPECT_THAT(report.rows, ElementsAre(row));
    EXPECT_EQ(run(after->open({"local", "s"}, 1, no_limit)).value().value().header.spent_nano, 254);
    EXPECT_EQ(run(after->usage({.owner = "local", .to_us = base::parse_rfc3339(at(9)).value()})).value().total.turns,
              0);
}

TEST_F(SqliteStoreTest, a_lost_turn_is_billed_when_the_next_one_closes_it) {
    const auto store = open({.priced = at_one_nano});
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("Four words of it")})));
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t2", at(5)))));
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total.cost_nano, 254);
    EXPECT_EQ(run(store->open({"local", "s"}, 1, no_limit)).value().value().header.spent_nano, 254);
    // Its own end comes too late to be billed again.
    auto end = end_of("s", "t1", at(6));
    end.bills = {{.model = "fake/model", .cost_nano = 1'000}};
    EXPECT_FALSE(run(store->end_turn(std::move(end))));
    EXPECT_EQ(run(store->usage({.owner = "local"})).value().total.cost_nano, 254);
}

TEST_F(SqliteStoreTest, a_lost_turn_is_closed_with_its_checkpoints_by_the_next_one) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("Hel")})));
    EXPECT_EQ(run(store->begin_turn(start_of("s", "t2", at(5)))).value(), 3);
    EXPECT_EQ(run(store->turn({{"local", "s"}, "t1"})).value().value().answer.value().content, "Hel");
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 0);
    EXPECT_TRUE(run(store->checkpoint({pieces.next("lo")})));
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 0);
}

TEST_F(SqliteStoreTest, a_continuation_that_crashed_goes_on_from_what_it_continued) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    const auto first = failed_end_of("s", "t1", at(2), "Hel");
    ASSERT_TRUE(run(store->end_turn(first)));
    ASSERT_TRUE(run(store->begin_turn(rewrite_of("s", "t2", at(2), at(3)))));
    Pieces pieces("s", "t2");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("lo")})));
    const auto after = crash(path);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), 1);
    const auto answer = run(after->turn({{"local", "s"}, "t2"})).value().value().answer.value();
    EXPECT_EQ(answer.content, "Hello");
    EXPECT_EQ(answer.timestamp, at(2));
    EXPECT_EQ(answer.outcome.value().continues, "t1");
    EXPECT_EQ(run(after->turn({{"local", "s"}, "t1"})).value().value().answer, first.message);
    EXPECT_EQ(run(after->next_turn({{"local", "s"}, "t1"})).value(), "t2");
    EXPECT_EQ(run(after->open({"local", "s"}, 9, no_limit)).value().value().header.message_count, 2);
}

TEST_F(SqliteStoreTest, a_removed_session_takes_its_checkpoints_with_it) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("secret")})));
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 1);
    EXPECT_TRUE(run(store->remove({"local", "s"})).value());
    for (const char* table : {"checkpoints", "messages", "sessions", "replaced_turns", "idempotency"})
        EXPECT_EQ(plain().query_integer(fmt::format("SELECT count(*) FROM {}", table).c_str()), 0) << table;
    EXPECT_TRUE(run(store->checkpoint({pieces.next("more")})));
    EXPECT_EQ(plain().query_integer("SELECT count(*) FROM checkpoints"), 0);
}

TEST_F(SqliteStoreTest, checkpoints_that_a_full_disk_refused_can_be_tried_again) {
    auto store = open({.max_pages = 64});
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    ASSERT_TRUE(run(store->begin_turn(start_of("large", "t", at(1), std::string(150'000, 'x')))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("a")})));
    const auto second = pieces.next(std::string(100'000, 'b'));
    const auto refused = run(store->checkpoint({second}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::unavailable);
    EXPECT_TRUE(run(store->remove({"local", "large"})).value());
    ASSERT_TRUE(run(store->checkpoint({second})));
    ASSERT_TRUE(run(store->checkpoint({pieces.next("c")})));
    const auto after = crash(path);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), 1);
    EXPECT_EQ(run(after->turn({{"local", "s"}, "t1"})).value().value().answer.value().content,
              "a" + std::string(100'000, 'b') + "c");
}

TEST_F(SqliteStoreTest, checkpoints_that_somebody_has_spoilt_are_left_out) {
    auto store = open();
    ASSERT_TRUE(run(store->begin_turn(start_of("s", "t1", at(1)))));
    Pieces pieces("s", "t1");
    ASSERT_TRUE(run(store->checkpoint({pieces.next("a")})));
    ASSERT_TRUE(run(store->checkpoint({pieces.next("b")})));
    ASSERT_TRUE(run(store->checkpoint({pieces.next("c")})));
    plain(SqliteDatabase::Mode::read_write).execute("UPDATE checkpoints SET pieces = x'0102' WHERE number = 2");
    const auto after = crash(path);
    EXPECT_EQ(run(after->close_interrupted(0)).value(), 1);
    EXPECT_EQ(run(after->turn({{"local", "s"}, "t1"})).value().value().answer.value().content, "a");
}

TEST_F(SqliteStoreTest, keys_that_have_expired_are_removed_with_new_ones) {
    auto store = open();
    const auto begin_with_key = [&](int number, std::int64_t expires_us) {
        auto start = start_of("s" + std::to_string(number), "t", at(number));
        start.idempotency = {.key = "k" + std::to_string(number),
                             .fingerprint = "f",
                             .session_id = start.key.session_id,
                             .turn_id = "t",
                             .expires_us = expires_us};
        ASSERT_TRUE(run(store->begin_turn(start)));
    };
    constexpr std::int64_t second_us = 1'000'000, first_us = 1'732'271'400 * second_us;  // at(0)
    for (int i = 0; i < 10; ++i) begin_with_key(i, first_us + (i + 20) * second_us);
    const auto count = [&] { return plain().query_integer("SELECT count(*) FROM idempotency"); };
    EXPECT_EQ(count(), 10);
    begin_with_key(21, first_us + 100 * second_us);  // two have expired, one more
    EXPECT_EQ(count(), 9);
    begin_with_key(50, first_us + 100 * second_us);
    EXPECT_EQ(count(), 6);
    begin_with_key(51, first_us + 100 * second_us);
    EXPECT_EQ(count(), 3);
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
    std::vector<std::future<base::Result<std::int64_t>>> results;
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
    std::vector<std::future<base::Result<std::int64_t>>> results;
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
    std::vector<std::future<base::Result<std::int64_t>>> results;
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
