// The turns that an invocation has begun.
#pragma once

#include <memory>
#include <string>

#include "tertulia/async/task.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/sessions/turn_registry.h"

namespace tertulia::lambda {

/// Between invocations the sandbox is frozen: a turn must not be left running when the next one is asked for. One of
/// these watches those of one request. One per worker.
class TurnWatch {
  public:
    TurnWatch(sessions::TurnRegistry& registry, async::Executor executor, std::string request_id)
        : registry_(registry), request_id_(std::move(request_id)), waiter_(async::Waiter::make(executor)) {
        registry_.watch(waiter_);
    }

    bool all_ended() const { return registry_.begun_by(request_id_).empty(); }
    /// Waits until all have ended and given their sessions back. False: not by `deadline`.
    async::Task<bool> wait(base::Deadline deadline);
    /// Asks them to end as interrupted: the invocation's time is up.
    void interrupt();
    /// Lets them end by themselves until `limit`, else interrupts them and waits until `end`.
    async::Task<void> finish(base::Deadline limit, base::Deadline end);

    /// Woken whenever a turn has ended.
    const std::shared_ptr<async::Waiter>& waiter() const { return waiter_; }

  private:
    sessions::TurnRegistry& registry_;
    const std::string request_id_;
    const std::shared_ptr<async::Waiter> waiter_;
};

/// The error of what the invocation's deadline ends.
base::Error time_is_up();

}  // namespace tertulia::lambda
