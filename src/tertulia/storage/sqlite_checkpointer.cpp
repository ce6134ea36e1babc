#include "tertulia/storage/sqlite_checkpointer.h"

#include <pthread.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdlib>

namespace tertulia::storage {
namespace {

using namespace std::chrono_literals;

constexpr auto interval = 20ms;
// Fewer pages than this wait for company, but not longer than that: each checkpoint costs two syncs.
constexpr std::int64_t worthwhile_pages = 512;
constexpr auto longest_wait = 1s;

}  // namespace

SqliteCheckpointer::SqliteCheckpointer(SqliteDatabase database, const telemetry::Log& log)
    : database_(std::move(database)), log_(log), thread_([this] { run(); }) {}

SqliteCheckpointer::~SqliteCheckpointer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void SqliteCheckpointer::written(std::int64_t log_pages) {
    bool was_clean;
    {
        const std::lock_guard lock(mutex_);
        log_pages_ = log_pages;
        was_clean = !std::exchange(dirty_, true);
    }
    if (was_clean) wake_.notify_one();
}

void SqliteCheckpointer::run() {
    pthread_setname_np(pthread_self(), "checkpoint");
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || dirty_; });
        const auto latest = std::chrono::steady_clock::now() + longest_wait;
        do {
            wake_.wait_for(lock, interval, [this] { return stopping_; });
        } while (!stopping_ && std::abs(log_pages_ - done_pages_) < worthwhile_pages &&
                 std::chrono::steady_clock::now() < latest);
        // What is left then is moved when the last connection closes, or at the next start.
        if (stopping_) return;
        dirty_ = false;
        done_pages_ = log_pages_;
        lock.unlock();
        {
            const std::lock_guard running(running_);
            if (const auto error = database_.checkpoint(SqliteDatabase::Checkpoint::passive)) report(*error);
        }
        lock.lock();
    }
}

bool SqliteCheckpointer::restart_log(SqliteDatabase& writer, int busy_ms, int usual_busy_ms) {
    const std::lock_guard running(running_);
    writer.set_busy_timeout(busy_ms);
    const auto error = writer.checkpoint(SqliteDatabase::Checkpoint::restart);
    writer.set_busy_timeout(usual_busy_ms);
    if (error) report(*error);
    return !error;
}

void SqliteCheckpointer::report(const SqliteError& error) {
    // Busy: another program reads or copies; the pages wait in the log.
    if ((error.code & 0xff) == SQLITE_BUSY) return;
    log_.warn("checkpoint failed", {{"code", error.code}, {"detail", error.text}});
}

}  // namespace tertulia::storage
