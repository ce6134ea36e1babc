#include "tertulia/storage/sqlite_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tertulia/storage/file_lock.h"
#include "tertulia/storage/sqlite_checkpointer.h"
#include "tertulia/storage/sqlite_readers.h"
#include "tertulia/storage/sqlite_schema.h"
#include "tertulia/storage/sqlite_writer.h"

namespace tertulia::storage {

using base::Result;

namespace {

constexpr int reader_count = 2;

// SQLite syncs the files; that they exist is the folder's matter.
void sync_folder(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
}

// Makes the folder and the file, which is its owner's alone: SQLite's own files beside it take over its mode.
Result<void> make_file(const std::string& path) {
    std::error_code failure;
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, failure);
    if (failure)
        return base::fail(base::Errc::unavailable,
                          fmt::format("Cannot make the folder {}: {}", folder.string(), failure.message()));
    return {};
}

Result<SqliteDatabase> open_database(const SqliteOptions& options, SqliteDatabase::Mode mode, const char* settings) {
    auto database = SqliteDatabase::open(options.path, mode, options.busy_ms);
    if (!database) return std::unexpected(start_error(options.path, database.error()));
    database->execute(settings);
    // Reads the schema, so that the connection has the log open.
    database->query_integer("SELECT count(*) FROM sqlite_schema");
    if (const auto error = database->take_error()) return std::unexpected(start_error(options.path, *error));
    return std::move(*database);
}

}  // namespace

// In the order of their making; destroyed the other way round, the lock last.
struct SqliteStore::Parts {
    FileLock lock;
    std::unique_ptr<SqliteCheckpointer> checkpointer;
    std::unique_ptr<SqliteWriter> writer;
    std::unique_ptr<SqliteReaders> readers;
};

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const SqliteOptions& given, const telemetry::Log& log) {
    SqliteOptions options = given;
    // Two names of one file are one database, and have one lock.
    std::error_code ignored;
    if (const auto path = std::filesystem::weakly_canonical(std::filesystem::absolute(given.path, ignored), ignored);
        !path.empty())
        options.path = path.string();

    if (const auto made = make_file(options.path); !made) return std::unexpected(made.error());
    auto lock = FileLock::acquire(options.path + ".lock", given.path);
    if (!lock) return std::unexpected(lock.error());
    if (const auto checked = check_schema(options.path); !checked) return std::unexpected(checked.error());
    if (const int fd = ::open(options.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); fd >= 0) ::close(fd);

    auto writing = open_database(options, SqliteDatabase::Mode::create,
                                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; "
                                 "PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864; "
                                 "PRAGMA temp_store = MEMORY");
    if (!writing) return std::unexpected(writing.error());
    if (const auto migrated = migrate(*writing); !migrated) return std::unexpected(migrated.error());
    if (options.max_pages > 0) writing->execute(fmt::format("PRAGMA max_page_count = {}", options.max_pages).c_str());
    sync_folder(std::filesystem::path(options.path).parent_path().string());

    auto checkpoints = open_database(options, SqliteDatabase::Mode::read_write, "PRAGMA synchronous = FULL");
    if (!checkpoints) return std::unexpected(checkpoints.error());
    std::vector<std::unique_ptr<SqliteReader>> readers;
    for (int i = 0; i < reader_count; ++i) {
        auto reading = open_database(options, SqliteDatabase::Mode::read_only,
                                     "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY");
        if (!reading) return std::unexpected(reading.error());
        readers.push_back(std::make_unique<SqliteReader>(std::move(*reading)));
        if (const auto error = readers.back()->take_error()) return std::unexpected(start_error(options.path, *error));
    }

    auto parts = std::make_unique<Parts>(Parts{std::move(*lock), nullptr, nullptr, nullptr});
    parts->checkpointer = std::make_unique<SqliteCheckpointer>(std::move(*checkpoints), log);
    parts->writer =
        std::make_unique<SqliteWriter>(std::move(*writing), *parts->checkpointer, options.busy_ms, log, options.priced);
    if (const auto error = parts->writer->start_error()) return std::unexpected(start_error(options.path, *error));
    parts->readers = std::make_unique<SqliteReaders>(std::move(readers), log);
    return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(parts)));
}

SqliteStore::SqliteStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SqliteStore::~SqliteStore() = default;

std::uint64_t SqliteStore::commits() const {
    return parts_->writer->commits();
}

async::Task<Result<std::optional<sessions::SessionSnapshot>>> SqliteStore::open(sessions::SessionKey key,
                                                                                std::int64_t max_messages,
                                                                                std::int64_t max_bytes) {
    return parts_->readers->read<std::optional<sessions::SessionSnapshot>>(
        [key = std::move(key), max_messages, max_bytes](SqliteReader& reader) {
            return reader.open(key, max_messages, max_bytes);
        });
}

async::Task<Result<std::vector<sessions::StoredMessage>>> SqliteStore::older(sessions::SessionKey key,
                                                                             std::string before,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) {
    return parts_->readers->read<std::vector<sessions::StoredMessage>>(
        [key = std::move(key), before = std::move(before), max_messages, max_bytes](SqliteReader& reader) {
            return reader.older(key, before, max_messages, max_bytes);
        });
}

async::Task<Result<std::int64_t>> SqliteStore::begin_turn(sessions::TurnStart start) {
    return parts_->writer->write<std::int64_t>(
        [start = std::move(start)](SqliteWrites& writes) { return writes.begin_turn(start); });
}

async::Task<Result<void>> SqliteStore::end_turn(sessions::TurnEnd end) {
    return parts_->writer->write<void>([end = std::move(end)](SqliteWrites& writes) { return writes.end_turn(end); });
}

async::Task<Result<void>> SqliteStore::checkpoint(std::vector<sessions::TurnCheckpoint> pieces) {
    return parts_->writer->write<void>(
        [pieces = std::move(pieces)](SqliteWrites& writes) { return writes.checkpoint(pieces); });
}

async::Task<Result<std::int64_t>> SqliteStore::close_interrupted(std::int64_t now_us) {
    return parts_->writer->write<std::int64_t>(
        [now_us](SqliteWrites& writes) { return writes.close_interrupted(now_us); });
}

async::Task<Result<void>> SqliteStore::close_turn(sessions::TurnName turn, std::int64_t now_us) {
    return parts_->writer->write<void>(
        [turn = std::move(turn), now_us](SqliteWrites& writes) { return writes.close_turn(turn, now_us); });
}

async::Task<Result<std::optional<sessions::StoredTurn>>> SqliteStore::turn(sessions::TurnName name) {
    return parts_->readers->read<std::optional<sessions::StoredTurn>>(
        [name = std::move(name)](SqliteReader& reader) { return reader.turn(name); });
}

async::Task<Result<std::string>> SqliteStore::next_turn(sessions::TurnName after) {
    return parts_->readers->read<std::string>(
        [after = std::move(after)](SqliteReader& reader) { return reader.next_turn(after); });
}

async::Task<Result<std::optional<sessions::IdempotencyRecord>>> SqliteStore::idempotency(std::string owner,
                                                                                         std::string key,
                                                                                         std::int64_t now_us) {
    return parts_->readers->read<std::optional<sessions::IdempotencyRecord>>(
        [owner = std::move(owner), key = std::move(key), now_us](SqliteReader& reader) {
            return reader.idempotency(owner, key, now_us);
        });
}

async::Task<Result<std::optional<sessions::MessagePage>>> SqliteStore::messages(sessions::SessionKey key,
                                                                                sessions::MessageQuery query) {
    return parts_->readers->read<std::optional<sessions::MessagePage>>(
        [key = std::move(key), query = std::move(query)](SqliteReader& reader) { return reader.messages(key, query); });
}

async::Task<Result<sessions::SessionPage>> SqliteStore::sessions(std::string owner, std::int64_t limit,
                                                                 std::string after) {
    return parts_->readers->read<sessions::SessionPage>(
        [owner = std::move(owner), limit, after = std::move(after)](SqliteReader& reader) {
            return reader.sessions(owner, limit, after);
        });
}

async::Task<Result<bool>> SqliteStore::remove(sessions::SessionKey key) {
    return parts_->writer->write<bool>([key = std::move(key)](SqliteWrites& writes) { return writes.remove(key); });
}

async::Task<Result<sessions::UsageReport>> SqliteStore::usage(sessions::UsageQuery query) {
    return parts_->readers->read<sessions::UsageReport>(
        [query = std::move(query)](SqliteReader& reader) { return reader.usage(query); });
}

}  // namespace tertulia::storage
