#include "tertulia/storage/sqlite_log_file.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tertulia/storage/sqlite_database.h"
#include "tests/support/temporary_folder.h"

namespace tertulia::storage {
namespace {

/// A file opened as SQLite opens its log. (With a dot in its name: SQLite takes the log's rights from the database
/// whose name stands before a hyphen.)
class OpenLog {
  public:
    explicit OpenLog(const std::string& path, int kind = SQLITE_OPEN_WAL)
        // SQLite's names end with two NULs more.
        : path_(path + std::string(3, '\0')),
          vfs_(sqlite3_vfs_find(vfs_of_joined_log_writes())),
          memory_(static_cast<std::size_t>(vfs_->szOsFile) / sizeof(std::max_align_t) + 1) {
        int flags = 0;
        code = vfs_->xOpen(vfs_, path_.c_str(), file(), kind | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &flags);
    }
    ~OpenLog() {
        if (file()->pMethods != nullptr) file()->pMethods->xClose(file());
    }
    OpenLog(const OpenLog&) = delete;

    sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
    int write(const std::string& data, std::size_t at) {
        return file()->pMethods->xWrite(file(), data.data(), static_cast<int>(data.size()),
                                        static_cast<sqlite3_int64>(at));
    }
    std::string read(std::size_t at, std::size_t size) {
        std::string data(size, '\0');
        EXPECT_EQ(file()->pMethods->xRead(file(), data.data(), static_cast<int>(size), static_cast<sqlite3_int64>(at)),
                  SQLITE_OK);
        return data;
    }
    int sync() { return file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL); }
    int truncate(std::size_t size) { return file()->pMethods->xTruncate(file(), static_cast<sqlite3_int64>(size)); }
    std::size_t size() {
        sqlite3_int64 size = 0;
        EXPECT_EQ(file()->pMethods->xFileSize(file(), &size), SQLITE_OK);
        return static_cast<std::size_t>(size);
    }

    int code = 0;

  private:
    std::string path_;
    sqlite3_vfs* vfs_;
    std::vector<std::max_align_t> memory_;
};

std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SqliteLogFile, WhatFollowsOnEachOtherLeavesWithTheSync) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "log.wal";
    OpenLog log(path);
    ASSERT_EQ(log.code, SQLITE_OK);
    ASSERT_EQ(log.write("head", 0), SQLITE_OK);
    ASSERT_EQ(log.write("page", 4), SQLITE_OK);
    EXPECT_EQ(content(path), "");
    ASSERT_EQ(log.sync(), SQLITE_OK);
    EXPECT_EQ(content(path), "headpage");
    ASSERT_EQ(log.write("HE", 0), SQLITE_OK);
    ASSERT_EQ(log.write("more", 8), SQLITE_OK);  // elsewhere: what waited goes first
    EXPECT_EQ(content(path), "HEadpage");
    EXPECT_EQ(log.size(), 12u);
}

TEST(SqliteLogFile, OtherFilesAreTheSystemsOwn) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "database";
    OpenLog database(path, SQLITE_OPEN_MAIN_DB);
    ASSERT_EQ(database.code, SQLITE_OK);
    ASSERT_EQ(database.write("page", 0), SQLITE_OK);
    EXPECT_EQ(content(path), "page");
    EXPECT_GT(database.file()->pMethods->iVersion, 1);  // with shared memory
}

TEST(SqliteLogFile, IsAFileLikeAnyOther) {
    const tests::TemporaryFolder folder;
    std::mt19937 random(1);
    const auto below = [&random](std::size_t limit) { return random() % limit; };
    for (int round = 0; round < 8; ++round) {
        const std::string path = folder / (std::to_string(round) + ".wal");
        std::string model;
        OpenLog log(path);
        std::size_t end = 0;
        for (int step = 0; step < 200; ++step) {
            switch (below(8)) {
                case 0: {
                    if (model.empty()) break;
                    const std::size_t at = below(model.size());
                    const std::size_t size = below(model.size() - at) + 1;
                    ASSERT_EQ(log.read(at, size), model.substr(at, size));
                    break;
                }
                case 1:
                    ASSERT_EQ(log.sync(), SQLITE_OK);
                    ASSERT_EQ(content(path), model);
                    break;
                case 2:
                    if (below(4) != 0) break;
                    model.resize(below(model.size() + 1));
                    ASSERT_EQ(log.truncate(model.size()), SQLITE_OK);
                    break;
                case 3:
                    ASSERT_EQ(log.size(), model.size());
                    break;
                case 4:
                    end = below(model.size() + 1);
                    [[fallthrough]];
                default: {
                    const std::size_t size = below(10) == 0 ? 65536 : below(5000) + 1;  // a page is no larger
                    const std::string data(size, static_cast<char>('a' + below(26)));
                    end = std::min(end, model.size());
                    if (model.size() < end + data.size()) model.resize(end + data.size());
                    model.replace(end, data.size(), data);
                    ASSERT_EQ(log.write(data, end), SQLITE_OK);
                    end += data.size();
                }
            }
        }
    }
}

// The disk's refusal comes with the sync: the commit fails, nothing of it is there, and the next one is whole.
TEST(SqliteLogFile, AFullDiskFailsTheCommit) {
    const tests::TemporaryFolder folder;
    const std::string path = folder / "full.db";
    auto database = SqliteDatabase::open(path, SqliteDatabase::Mode::create, 100);
    ASSERT_TRUE(database);
    database->execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (text TEXT)");
    database->execute("INSERT INTO t VALUES ('before')");
    ASSERT_FALSE(database->failed());
    const auto size = std::filesystem::file_size(path + "-wal");

    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    auto* const usual = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit little{.rlim_cur = size + 100, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
    database->execute("INSERT INTO t VALUES ('refused')");
    const auto error = database->take_error();
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, usual);

    ASSERT_TRUE(error);
    EXPECT_FALSE(error->is_about_statement());
    EXPECT_FALSE(database->in_transaction());
    database->execute("INSERT INTO t VALUES ('after')");
    EXPECT_EQ(database->query_integer("SELECT count(*) FROM t WHERE text <> 'refused'"), 2);
    EXPECT_EQ(database->query_integer("SELECT count(*) FROM t"), 2);
    ASSERT_FALSE(database->failed());
    // Another connection sees the same.
    auto other = SqliteDatabase::open(path, SqliteDatabase::Mode::read_only, 100);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->query_integer("SELECT count(*) FROM t"), 2);
}

// A transaction larger than the page cache writes pages to the log, and reads them back, before its commit.
TEST(SqliteLogFile, ATransactionReadsItsOwnPages) {
    const tests::TemporaryFolder folder;
    auto database = SqliteDatabase::open(folder / "big.db", SqliteDatabase::Mode::create, 100);
    ASSERT_TRUE(database);
    database->execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = 10; "
        "CREATE TABLE t (n INTEGER, text TEXT); BEGIN");
    database->execute(
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 2000) "
        "INSERT INTO t SELECT n, printf('%0*d', 500, n) FROM r");
    database->execute("UPDATE t SET n = n + 1");
    EXPECT_EQ(database->query_integer("SELECT sum(n) FROM t"), 2003000);
    database->execute("ROLLBACK; PRAGMA cache_size = 10");
    EXPECT_EQ(database->query_integer("SELECT count(*) FROM t"), 0);
    database->execute("INSERT INTO t VALUES (1, 'kept')");
    EXPECT_EQ(database->query_integer("SELECT count(*) FROM t"), 1);
    EXPECT_EQ(database->query_integer("SELECT n FROM t"), 1);
    ASSERT_FALSE(database->failed());
}

}  // namespace
}  // namespace tertulia::storage
