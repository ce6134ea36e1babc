// The threads that read beside the writer.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tertulia/async/callback.h"
#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/storage/sqlite_reader.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// A queue and a few threads, each with its own read-only connection: they neither wait for the writer nor hold it up.
/// Destruction answers what is queued first. Shared; safe from any thread.
class SqliteReaders {
  public:
    SqliteReaders(std::vector<std::unique_ptr<SqliteReader>> readers, const telemetry::Log& log);
    ~SqliteReaders();
    SqliteReaders(const SqliteReaders&) = delete;

    /// Runs `operation(SqliteReader&)`, which gives a T or a Result<T>, on one of the threads.
    template <class T, class Operation>
    async::Task<base::Result<T>> read(Operation operation) {
        return async::await_callback<base::Result<T>>(
            [this, operation = std::move(operation)](std::move_only_function<void(base::Result<T>)> done) mutable {
                submit([this, operation = std::move(operation), done = std::move(done)](SqliteReader* reader) mutable {
                    if (reader == nullptr) return done(std::unexpected(busy()));
                    base::Result<T> result = operation(*reader);
                    if (const auto error = reader->take_error()) result = std::unexpected(failure_of(*error));
                    done(std::move(result));
                });
            });
    }

  private:
    /// Null: the queue is full.
    using Job = std::move_only_function<void(SqliteReader*)>;
    void submit(Job job);
    void run(SqliteReader& reader);
    base::Error failure_of(const SqliteError& error) const;
    static base::Error busy();

    const telemetry::Log& log_;
    std::vector<std::unique_ptr<SqliteReader>> readers_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<Job> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace tertulia::storage
