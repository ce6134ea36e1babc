#include "tertulia/storage/sqlite_database.h"

#include <sqlite3.h>

#include "tertulia/storage/sqlite_log_file.h"

namespace tertulia::storage {

bool SqliteError::is_about_statement() const {
    switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
        case SQLITE_ERROR:
            return true;
        default:
            return false;
    }
}

void SqliteDatabase::Close::operator()(sqlite3* handle) const {
    sqlite3_close_v2(handle);
}

std::expected<SqliteDatabase, SqliteError> SqliteDatabase::open(const std::string& path, Mode mode, int busy_ms) {
    // SQLite counts its memory under one lock for the whole process; nobody asks for the figures. No mutex inside
    // either: each connection has one thread.
    [[maybe_unused]] static const int without_statistics = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (mode == Mode::read_only)
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE | (mode == Mode::create ? SQLITE_OPEN_CREATE : 0);
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs_of_joined_log_writes());
    SqliteDatabase database(handle);
    if (code != SQLITE_OK)
        return std::unexpected(SqliteError{code, handle != nullptr ? sqlite3_errmsg(handle) : sqlite3_errstr(code)});
    database.set_busy_timeout(busy_ms);
    return database;
}

void SqliteDatabase::execute(const char* sql) {
    if (failed()) return;
    if (const int code = sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr); code != SQLITE_OK) record_error(code);
}

std::int64_t SqliteDatabase::query_integer(const char* sql) {
    SqliteStatement statement(*this, sql);
    auto rows = statement.query();
    return rows.next() ? rows.integer(0) : 0;
}

bool SqliteDatabase::in_transaction() const {
    return sqlite3_get_autocommit(handle()) == 0;
}

std::int64_t SqliteDatabase::changes() const {
    return sqlite3_changes64(handle());
}

bool SqliteDatabase::has_moved() const {
    int moved = 0;
    return sqlite3_file_control(handle(), "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved != 0;
}

void SqliteDatabase::set_busy_timeout(int busy_ms) {
    sqlite3_busy_timeout(handle(), busy_ms);
}

std::optional<SqliteError> SqliteDatabase::checkpoint(Checkpoint mode) {
    const int how = mode == Checkpoint::restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    const int code = sqlite3_wal_checkpoint_v2(handle(), nullptr, how, nullptr, nullptr);
    if (code == SQLITE_OK) return std::nullopt;
    return SqliteError{code, sqlite3_errmsg(handle())};
}

void SqliteDatabase::record_error(int code) {
    if (!error_) error_ = SqliteError{code, sqlite3_errmsg(handle())};
}

void SqliteDatabase::record_error(SqliteError error) {
    if (!error_) error_ = std::move(error);
}

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

SqliteStatement::SqliteStatement(SqliteDatabase& database, std::string_view sql) : database_(database) {
    if (database.failed()) return;
    sqlite3_stmt* handle = nullptr;
    const int code = sqlite3_prepare_v3(database.handle(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    handle_.reset(handle);
    if (code != SQLITE_OK) database.record_error(code);
}

void SqliteStatement::bind(int index, std::string_view text) {
    if (!handle_) return;
    // A null pointer would be NULL, not the empty text.
    const char* data = text.data() != nullptr ? text.data() : "";
    const int code = sqlite3_bind_text64(handle_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) database_.record_error(code);
}

void SqliteStatement::bind(int index, TextOrNull value) {
    if (!value.text.empty()) return bind(index, value.text);
    bind(index, std::optional<std::int64_t>());
}

void SqliteStatement::bind(int index, BytesOrNull value) {
    if (value.bytes.empty()) return bind(index, std::optional<std::int64_t>());
    if (!handle_) return;
    const int code = sqlite3_bind_blob64(handle_.get(), index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
    if (code != SQLITE_OK) database_.record_error(code);
}

void SqliteStatement::bind(int index, std::int64_t number) {
    if (!handle_) return;
    if (const int code = sqlite3_bind_int64(handle_.get(), index, number); code != SQLITE_OK)
        database_.record_error(code);
}

void SqliteStatement::bind(int index, std::optional<std::int64_t> number) {
    if (number) return bind(index, *number);
    if (!handle_) return;
    if (const int code = sqlite3_bind_null(handle_.get(), index); code != SQLITE_OK) database_.record_error(code);
}

SqliteStatement::Rows::~Rows() {
    // Its result repeats the error of `next()`, which is recorded already.
    if (statement_.handle_) sqlite3_reset(statement_.handle_.get());
}

bool SqliteStatement::Rows::next() {
    if (statement_.database_.failed() || !statement_.handle_) return false;
    const int code = sqlite3_step(statement_.handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) statement_.database_.record_error(code);
    return false;
}

bool SqliteStatement::Rows::is_null(int column) const {
    return sqlite3_column_type(statement_.handle_.get(), column) == SQLITE_NULL;
}

std::int64_t SqliteStatement::Rows::integer(int column) const {
    return sqlite3_column_int64(statement_.handle_.get(), column);
}

std::string_view SqliteStatement::Rows::text(int column) const {
    const unsigned char* data = sqlite3_column_text(statement_.handle_.get(), column);
    if (data == nullptr) return {};
    const int size = sqlite3_column_bytes(statement_.handle_.get(), column);
    return {reinterpret_cast<const char*>(data), static_cast<std::size_t>(size)};
}

std::string_view SqliteStatement::Rows::bytes(int column) const {
    const void* data = sqlite3_column_blob(statement_.handle_.get(), column);
    if (data == nullptr) return {};
    const int size = sqlite3_column_bytes(statement_.handle_.get(), column);
    return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

std::optional<std::int64_t> SqliteStatement::Rows::optional_integer(int column) const {
    if (is_null(column)) return std::nullopt;
    return integer(column);
}

}  // namespace tertulia::storage
