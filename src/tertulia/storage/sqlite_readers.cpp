#include "tertulia/storage/sqlite_readers.h"

#include <pthread.h>

namespace tertulia::storage {
namespace {

constexpr std::size_t max_queue = 65536;

}  // namespace

SqliteReaders::SqliteReaders(std::vector<std::unique_ptr<SqliteReader>> readers, const telemetry::Log& log)
    : log_(log), readers_(std::move(readers)) {
    for (const auto& reader : readers_) threads_.emplace_back([this, &reader = *reader] { run(reader); });
}

SqliteReaders::~SqliteReaders() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void SqliteReaders::submit(Job job) {
    {
        const std::lock_guard lock(mutex_);
        if (queue_.size() < max_queue) {
            queue_.push_back(std::move(job));
            job = nullptr;
        }
    }
    if (job) return job(nullptr);
    wake_.notify_one();
}

void SqliteReaders::run(SqliteReader& reader) {
    pthread_setname_np(pthread_self(), "store-reader");
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        if (queue_.empty()) return;
        Job job = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        job(&reader);
        job = nullptr;
        lock.lock();
    }
}

base::Error SqliteReaders::failure_of(const SqliteError& error) const {
    log_.error("store read failed", {{"code", error.code}, {"detail", error.text}});
    return {.code = base::Errc::unavailable, .message = "The conversation store cannot be read now; try again later"};
}

base::Error SqliteReaders::busy() {
    return {.code = base::Errc::unavailable, .message = "The conversation store is overloaded; try again later"};
}

}  // namespace tertulia::storage
