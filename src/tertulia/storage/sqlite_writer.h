// The one thread that writes, and its group commit.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "tertulia/async/callback.h"
#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/storage/sqlite_checkpointer.h"
#include "tertulia/storage/sqlite_database.h"
#include "tertulia/storage/sqlite_writes.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Everything that waits is written in one transaction and made durable by one sync; while that runs, the next group
/// gathers. A refused operation (conflict) does not touch the others; a failing statement makes the group be repeated
/// one by one; a failure of disk or database fails the whole group as `unavailable`, and nothing of it remains.
/// Destruction writes what is queued first. Shared; safe from any thread.
class SqliteWriter {
  public:
    SqliteWriter(SqliteDatabase database, SqliteCheckpointer& checkpointer, int busy_ms, const telemetry::Log& log,
                 PriceBill priced = {});
    ~SqliteWriter();
    SqliteWriter(const SqliteWriter&) = delete;

    /// Runs `operation(SqliteWrites&) -> Result<T>` (perhaps more than once, of which one counts), and comes back when
    /// it is durable, or has failed.
    template <class T, class Operation>
    async::Task<base::Result<T>> write(Operation operation) {
        return async::await_callback<base::Result<T>>(
            [this, operation = std::move(operation)](std::move_only_function<void(base::Result<T>)> done) mutable {
                submit(std::make_unique<JobOf<T, Operation>>(std::move(operation), std::move(done)));
            });
    }

    /// Did the statements prepare? Ask once, before the first write.
    std::optional<SqliteError> start_error() { return std::exchange(start_error_, std::nullopt); }
    /// Transactions committed so far.
    std::uint64_t commits() const { return commits_.load(std::memory_order_relaxed); }

  private:
    struct Job {
        virtual ~Job() = default;
        virtual void run(SqliteWrites& writes) = 0;
        /// Gives the last run's result, or the failure in its place.
        virtual void finish(const base::Error* failure) = 0;
    };
    template <class T, class Operation>
    struct JobOf final : Job {
        JobOf(Operation o, std::move_only_function<void(base::Result<T>)> d)
            : operation(std::move(o)), done(std::move(d)) {}
        void run(SqliteWrites& writes) override { result = operation(writes); }
        void finish(const base::Error* failure) override {
            done(failure != nullptr ? base::Result<T>(std::unexpected(*failure)) : std::move(result));
        }
        Operation operation;
        base::Result<T> result;
        std::move_only_function<void(base::Result<T>)> done;
    };
    using Batch = std::span<const std::unique_ptr<Job>>;

    void submit(std::unique_ptr<Job> job);
    void run();
    void commit(Batch batch);
    void bound_log();
    base::Error failure_of(const SqliteError& error, std::size_t operations);

    SqliteDatabase database_;
    SqliteWrites writes_;
    SqliteStatement begin_;
    SqliteStatement commit_;
    std::optional<SqliteError> start_error_;
    SqliteCheckpointer& checkpointer_;
    const int busy_ms_;
    const telemetry::Log& log_;
    std::int64_t log_pages_ = 0;   // of the write-ahead log, after the last commit
    std::int64_t restart_log_at_;  // pages
    std::atomic<std::uint64_t> commits_ = 0;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<std::unique_ptr<Job>> queue_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace tertulia::storage
