#include "tertulia/sessions/turn_reader.h"

namespace tertulia::sessions {

TurnReader::TurnReader(std::shared_ptr<TurnLog> log, async::Executor executor, std::uint32_t after)
    : log_(std::move(log)), waiter_(async::Waiter::make(executor)), place_{.after = after} {}

TurnReader::~TurnReader() {
    if (log_ && waiting_for_) log_->remove_waiter(waiter_.get());
}

void TurnReader::wake_for(TurnLog::WakeFor what) {
    if (waiting_for_ == what) return;
    if (waiting_for_) log_->remove_waiter(waiter_.get());
    log_->add_waiter(waiter_, what);
    waiting_for_ = what;
}

async::Task<bool> TurnReader::next(EventBatch& batch, base::Deadline deadline) {
    wake_for(TurnLog::WakeFor::any_event);
    while (true) {
        batch.events.clear();
        if (stopped_) co_return true;
        log_->read(place_, batch);
        if (!batch.events.empty() || is_over()) co_return true;
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
}

async::Task<bool> TurnReader::wait_start(base::Deadline deadline) {
    wake_for(TurnLog::WakeFor::start_or_end);
    while (!log_->has_started() && !log_->was_queued() && !log_->result()) {
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
    co_return true;
}

async::Task<bool> TurnReader::wait_begun(base::Deadline deadline) {
    wake_for(TurnLog::WakeFor::start_or_end);
    while (!log_->has_started() && !log_->result()) {
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
    co_return true;
}

async::Task<std::shared_ptr<const TurnResult>> TurnReader::wait_end(base::Deadline deadline) {
    wake_for(TurnLog::WakeFor::end);
    while (true) {
        if (auto result = log_->result()) co_return result;
        if (deadline.passed(std::chrono::steady_clock::now())) co_return nullptr;
        co_await waiter_->wait(deadline);
    }
}

void TurnReader::stop() {
    stopped_ = true;
    waiter_->wake();
}

bool TurnReader::is_over() const {
    return log_->result() && place() >= log_->last_number();
}

}  // namespace tertulia::sessions
