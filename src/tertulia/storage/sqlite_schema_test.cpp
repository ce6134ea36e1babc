#include "tertulia/storage/sqlite_schema.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

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
