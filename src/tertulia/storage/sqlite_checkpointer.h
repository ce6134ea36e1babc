// Moves what was written from the log to the database file.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "tertulia/storage/sqlite_database.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// A thread that runs passive checkpoints beside the writer, which is never made to wait for them (SQLite's automatic
/// ones run inside a commit: 17 to 84 ms at the 99th percentile). It works only after writes, at most every 20 ms.
/// Shared; safe from any thread.
class SqliteCheckpointer {
  public:
    SqliteCheckpointer(SqliteDatabase database, const telemetry::Log& log);
    ~SqliteCheckpointer();
    SqliteCheckpointer(const SqliteCheckpointer&) = delete;

    /// The writer committed; its log now has `log_pages` pages.
    void written(std::int64_t log_pages);

    /// On the writer's thread and connection, between two commits: makes the log start anew, if that takes no longer
    /// than `busy_ms` of waiting for readers. The rest of the log that passive checkpoints leave is small.
    bool restart_log(SqliteDatabase& writer, int busy_ms, int usual_busy_ms);

  private:
    void run();
    void report(const SqliteError& error);

    SqliteDatabase database_;
    const telemetry::Log& log_;
    std::mutex running_;  // SQLite refuses two checkpoints at once instead of making one wait
    std::mutex mutex_;
    std::condition_variable wake_;
    std::int64_t log_pages_ = 0;
    std::int64_t done_pages_ = 0;  // the log's length at the last checkpoint
    bool dirty_ = false;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace tertulia::storage
