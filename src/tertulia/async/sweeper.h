// Many deadlines, one timer.
#pragma once

#include <functional>
#include <memory>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

/// Watches the deadlines of a worker's connections without a timer for each: a coarse tick looks at all of them, so
/// that one that is more than a tick away fires at most a tick late; a nearer one fires in time. Setting and clearing a
/// deadline costs a store. While none is set for long, no timer runs. One per worker.
class Sweeper {
  public:
    static constexpr base::Milliseconds tick{250};

    explicit Sweeper(Executor executor);
    ~Sweeper();
    Sweeper(const Sweeper&) = delete;

    /// One deadline. Must not outlive its sweeper.
    class Entry {
      public:
        /// `on_passed` is called from the event loop, at most once per `set`. It must not destroy an entry: it closes a
        /// socket or wakes a task.
        Entry(Sweeper& sweeper, std::function<void()> on_passed);
        ~Entry();
        Entry(const Entry&) = delete;

        void set(base::Deadline deadline);
        void clear() { at_ = base::SteadyTime::max(); }

      private:
        friend class Sweeper;
        Sweeper& sweeper_;
        std::function<void()> on_passed_;
        base::SteadyTime at_ = base::SteadyTime::max();
        Entry* before_ = nullptr;
        Entry* after_ = nullptr;
    };

  private:
    struct Timer;
    void schedule(base::SteadyTime at);
    void sweep();

    std::shared_ptr<Timer> timer_;  // shared with the wait that is under way
    Entry* first_ = nullptr;
};

}  // namespace tertulia::async
