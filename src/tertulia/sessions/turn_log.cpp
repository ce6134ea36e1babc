#include "tertulia/sessions/turn_log.h"

#include <algorithm>

namespace tertulia::sessions {
namespace {

std::optional<EventKind> event_of(chat::AnswerEvents::Kind kind) {
    using Kind = chat::AnswerEvents::Kind;
    switch (kind) {
        case Kind::text:
        case Kind::refusal:
            return EventKind::text_delta;
        case Kind::thinking:
            return EventKind::thinking_delta;
        case Kind::tool_call:
        case Kind::tool_arguments:
            return EventKind::tool_call_delta;
        case Kind::signature:
        case Kind::native:
        case Kind::restart:
            return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

void TurnLog::start(TurnStarted started) {
    const std::lock_guard lock(mutex_);
    started_ = std::move(started);
    entries_.push_back({EventKind::started, 0});
    wake(true, false);
}

void TurnLog::append(const chat::AnswerEvents& steps) {
    const std::lock_guard lock(mutex_);
    auto step = static_cast<std::uint32_t>(steps_.events().size());
    steps_.append(steps);
    bool visible = false;
    for (const auto& event : steps.events()) {
        if (const auto kind = event_of(event.kind)) {
            entries_.push_back({*kind, step});
            visible = true;
        }
        ++step;
    }
    if (visible) wake(false, false);
}

void TurnLog::finish(TurnResult result, bool with_usage) {
    const std::lock_guard lock(mutex_);
    if (with_usage) entries_.push_back({EventKind::usage, 0});
    entries_.push_back({EventKind::ended, 0});
    result_ = std::make_shared<const TurnResult>(std::move(result));
    wake(false, true);
}

void TurnLog::wake(bool start, bool end) {
    for (const Waiting& waiting : waiters_) {
        const bool wanted =
            waiting.what == WakeFor::any_event || end || (waiting.what == WakeFor::start_or_end && start);
        if (wanted) waiting.waiter->wake();
    }
}

void TurnLog::read(std::uint32_t& cursor, EventBatch& batch, std::size_t max_bytes) const {
    batch.events.clear();
    batch.bytes.clear();
    const std::lock_guard lock(mutex_);
    const auto copy = [&](chat::AnswerEvents::Span span) {
        const auto offset = static_cast<std::uint32_t>(batch.bytes.size());
        batch.bytes += steps_.bytes(span);
        return chat::AnswerEvents::Span{offset, span.size};
    };
    while (cursor < entries_.size() && batch.bytes.size() < max_bytes) {
        const Entry& entry = entries_[cursor];
        EventBatch::Event event{
            .kind = entry.kind, .number = ++cursor, .block = 0, .starts_call = false, .text = {}, .extra = {}};
        if (entry.kind == EventKind::text_delta || entry.kind == EventKind::thinking_delta ||
            entry.kind == EventKind::tool_call_delta) {
            const auto& step = steps_.events()[entry.step];
            event.block = step.block;
            event.starts_call = step.kind == chat::AnswerEvents::Kind::tool_call;
            event.text = copy(step.text);
            event.extra = copy(step.extra);
        }
        batch.events.push_back(event);
    }
}

void TurnLog::add_waiter(std::shared_ptr<async::Waiter> waiter, WakeFor what) {
    const std::lock_guard lock(mutex_);
    waiters_.push_back({std::move(waiter), what});
}

void TurnLog::remove_waiter(const async::Waiter* waiter) {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiters_, [&](const Waiting& waiting) { return waiting.waiter.get() == waiter; });
}

bool TurnLog::has_started() const {
    const std::lock_guard lock(mutex_);
    return started_.has_value();
}

std::optional<TurnStarted> TurnLog::started() const {
    const std::lock_guard lock(mutex_);
    return started_;
}

std::shared_ptr<const TurnResult> TurnLog::result() const {
    const std::lock_guard lock(mutex_);
    return result_;
}

TurnReader::TurnReader(std::shared_ptr<TurnLog> log, async::Executor executor)
    : log_(std::move(log)), waiter_(async::Waiter::make(executor)) {}

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
        log_->read(cursor_, batch);
        if (!batch.events.empty()) co_return true;
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
}

async::Task<bool> TurnReader::wait_start(base::Deadline deadline) {
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

}  // namespace tertulia::sessions
