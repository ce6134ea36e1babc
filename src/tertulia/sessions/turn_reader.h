// One reader's place in a turn's log.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/turn_log.h"

namespace tertulia::sessions {

/// What an HTTP answer, a second device and a resumed stream each have. Made on the worker that reads. One per worker.
class TurnReader {
  public:
    /// Reads what comes after event `after`; 0: from the first.
    TurnReader(std::shared_ptr<TurnLog> log, async::Executor executor, std::uint32_t after = 0);
    ~TurnReader();
    TurnReader(TurnReader&&) = default;
    TurnReader& operator=(TurnReader&&) = delete;

    /// Waits for more events; false: none came by the deadline. The batch whose last event is `ended` is the last; an
    /// empty one says that nothing comes after the reader's place any more.
    async::Task<bool> next(EventBatch& batch, base::Deadline deadline);
    /// Waits until the turn waits in its queue, has started, or ended without. False: neither by the deadline.
    async::Task<bool> wait_start(base::Deadline deadline);
    /// Waits until it has started, or ended without.
    async::Task<bool> wait_begun(base::Deadline deadline);
    /// Waits for the end; null: not by the deadline.
    async::Task<std::shared_ptr<const TurnResult>> wait_end(base::Deadline deadline);
    /// The number of the last event that it has given, or began after.
    std::uint32_t place() const { return std::max(place_.shown, place_.after); }
    /// Has the turn ended, with nothing left to read?
    bool is_over() const;
    /// `next` gives nothing any more: an empty batch, at once.
    void stop();

    const TurnName& name() const { return log_->name(); }
    const TurnLog& log() const { return *log_; }
    bool has_started() const { return log_->has_started(); }
    std::shared_ptr<const TurnResult> result() const { return log_->result(); }
    std::shared_ptr<const TurnStarted> started() const { return log_->started(); }

  private:
    std::shared_ptr<TurnLog> log_;
    std::shared_ptr<async::Waiter> waiter_;
    std::optional<TurnLog::WakeFor> waiting_for_;
    TurnLog::Place place_;
    bool stopped_ = false;
    void wake_for(TurnLog::WakeFor what);
};

}  // namespace tertulia::sessions
