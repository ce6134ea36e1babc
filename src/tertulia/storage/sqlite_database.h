// A thin layer over SQLite's C interface.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace tertulia::storage {

/// What SQLite said: an extended result code and its text.
struct SqliteError {
    int code = 0;
    std::string text;

    /// Does it come from the one statement or its data (a constraint, a text too big), so that others may yet succeed?
    /// Everything else is the database's or the disk's state.
    bool is_about_statement() const;
};

/// One connection. Its first error sticks: every later statement does nothing and gives no rows until `take_error()`,
/// so that a sequence of statements is written straight on and judged once at its end. One per worker.
class SqliteDatabase {
  public:
    enum class Mode { create, read_write, read_only };

    /// A locked database is waited for `busy_ms` at most.
    static std::expected<SqliteDatabase, SqliteError> open(const std::string& path, Mode mode, int busy_ms);

    /// Statements without parameters; their rows are ignored.
    void execute(const char* sql);
    /// The first column of the first row; 0 without a row.
    std::int64_t query_integer(const char* sql);

    bool failed() const { return error_.has_value(); }
    const std::optional<SqliteError>& error() const { return error_; }
    std::optional<SqliteError> take_error() { return std::exchange(error_, std::nullopt); }

    bool in_transaction() const;
    /// Rows changed by the last statement.
    std::int64_t changes() const;
    /// Is the file no longer where it was opened (deleted, renamed)? Writes to it would be lost to everyone else.
    bool has_moved() const;
    void set_busy_timeout(int busy_ms);

    /// Brings the write-ahead log's pages into the database file. `passive`: as far as it goes without waiting for
    /// anyone. `restart`: all of it, waiting for readers and writers, so that the next write begins the log anew.
    /// Errors do not stick: the pages stay in the log.
    enum class Checkpoint { passive, restart };
    std::optional<SqliteError> checkpoint(Checkpoint mode);

    sqlite3* handle() const { return handle_.get(); }
    /// Makes it the first error, if there is none yet; `code` comes with SQLite's text for it.
    void record_error(int code);
    void record_error(SqliteError error);

  private:
    struct Close {
        void operator()(sqlite3* handle) const;
    };
    explicit SqliteDatabase(sqlite3* handle) : handle_(handle) {}
    std::unique_ptr<sqlite3, Close> handle_;
    std::optional<SqliteError> error_;
};

/// A parameter that is NULL where the text is empty.
struct TextOrNull {
    std::string_view text;
};
/// The same of bytes (a BLOB).
struct BytesOrNull {
    std::string_view bytes;
};

/// A prepared statement, used again and again. It belongs to one database, which outlives it and stays in its place.
/// One per worker.
class SqliteStatement {
  public:
    SqliteStatement(SqliteDatabase& database, std::string_view sql);

    /// One execution and its rows; the statement is free for the next one when this is destroyed. Texts are bound
    /// without a copy: they must outlive it. Texts of a row are valid until the next `next()`.
    class Rows {
      public:
        explicit Rows(SqliteStatement& statement) : statement_(statement) {}
        Rows(const Rows&) = delete;
        ~Rows();

        bool next();
        bool is_null(int column) const;
        std::int64_t integer(int column) const;
        /// Whole, NUL bytes included; empty for NULL.
        std::string_view text(int column) const;
        std::string_view bytes(int column) const;
        std::optional<std::int64_t> optional_integer(int column) const;

      private:
        SqliteStatement& statement_;
    };

    /// Binds `values` to ?1, ?2, ... and starts.
    template <class... Values>
    Rows query(const Values&... values) {
        int index = 0;
        (bind(++index, values), ...);
        return Rows(*this);
    }
    /// The same where no rows are wanted.
    template <class... Values>
    void run(const Values&... values) {
        query(values...).next();
    }

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    void bind(int index, std::string_view text);
    void bind(int index, TextOrNull value);
    void bind(int index, BytesOrNull value);
    void bind(int index, std::int64_t number);
    void bind(int index, std::optional<std::int64_t> number);

    SqliteDatabase& database_;
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

}  // namespace tertulia::storage
