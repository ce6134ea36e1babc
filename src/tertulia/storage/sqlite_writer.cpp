#include "tertulia/storage/sqlite_writer.h"

#include <pthread.h>
#include <sqlite3.h>

namespace tertulia::storage {
namespace {

constexpr std::size_t max_queue = 65536;
constexpr std::int64_t max_log_pages = (64 << 20) / 4096;
// How long the log's restart may make the writer wait for readers.
constexpr int restart_busy_ms = 50;
constexpr const char* unavailable_message =
    "The conversation store cannot write now; nothing was saved. Try again later";

}  // namespace

SqliteWriter::SqliteWriter(SqliteDatabase database, SqliteCheckpointer& checkpointer, int busy_ms,
                           const telemetry::Log& log, PriceBill priced)
    : database_(std::move(database)),
      writes_(database_, std::move(priced)),
      begin_(database_, "BEGIN IMMEDIATE"),
      commit_(database_, "COMMIT"),
      start_error_(database_.take_error()),
      checkpointer_(checkpointer),
      busy_ms_(busy_ms),
      log_(log),
      restart_log_at_(max_log_pages) {
    sqlite3_wal_hook(
        database_.handle(),
        [](void* self, sqlite3*, const char*, int pages) {
            static_cast<SqliteWriter*>(self)->log_pages_ = pages;
            return SQLITE_OK;
        },
        this);
    thread_ = std::thread([this] { run(); });
}

SqliteWriter::~SqliteWriter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void SqliteWriter::submit(std::unique_ptr<Job> job) {
    std::unique_lock lock(mutex_);
    if (queue_.size() >= max_queue) {
        lock.unlock();
        const base::Error error{.code = base::Errc::unavailable, .message = unavailable_message};
        return job->finish(&error);
    }
    queue_.push_back(std::move(job));
    const bool first = queue_.size() == 1;
    lock.unlock();
    if (first) wake_.notify_one();
}

void SqliteWriter::run() {
    pthread_setname_np(pthread_self(), "store-writer");
    std::vector<std::unique_ptr<Job>> batch;
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        batch.swap(queue_);
        lock.unlock();
        commit(batch);
        batch.clear();
        bound_log();
        lock.lock();
    }
}

void SqliteWriter::commit(Batch batch) {
    if (database_.has_moved()) database_.record_error(SQLITE_READONLY_DBMOVED);
    begin_.run();
    for (const auto& job : batch) {
        if (database_.failed()) break;
        job->run(writes_);
    }
    writes_.before_commit();
    commit_.run();
    const std::optional<SqliteError> error = database_.take_error();
    if (!error) {
        writes_.committed();
        commits_.fetch_add(1, std::memory_order_relaxed);
        for (const auto& job : batch) job->finish(nullptr);
        checkpointer_.written(log_pages_);
        return;
    }
    // Some errors have rolled back already.
    if (database_.in_transaction()) database_.execute("ROLLBACK");
    database_.take_error();
    writes_.rolled_back();
    if (batch.size() > 1 && error->is_about_statement()) {
        for (std::size_t i = 0; i < batch.size(); ++i) commit(batch.subspan(i, 1));
        return;
    }
    const base::Error failure = failure_of(*error, batch.size());
    for (const auto& job : batch) job->finish(&failure);
}

void SqliteWriter::bound_log() {
    if (log_pages_ < restart_log_at_) {
        if (log_pages_ < max_log_pages) restart_log_at_ = max_log_pages;
        return;
    }
    // After a restart the next commit reports a short log. Where it was not possible, the next attempt is a while off.
    if (checkpointer_.restart_log(database_, restart_busy_ms, busy_ms_))
        log_pages_ = 0;
    else
        restart_log_at_ = log_pages_ + max_log_pages / 4;
}

base::Error SqliteWriter::failure_of(const SqliteError& error, std::size_t operations) {
    log_.error("store write failed", {{"code", error.code}, {"detail", error.text}, {"operations", operations}});
    if (error.is_about_statement())
        return {.code = base::Errc::internal,
                .message = "The conversation store refused this entry; nothing was saved"};
    return {.code = base::Errc::unavailable, .message = unavailable_message};
}

}  // namespace tertulia::storage
