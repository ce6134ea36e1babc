// Many deadlines, one timer.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/set.hpp>
#include <functional>

#include "tertulia/async/promise.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

/// Watches all deadlines of an event loop with one timer. They are looked at in groups: one that is a time away may be
/// seen late by a 64th of that time (2 ms at least, a quarter of a second at most). Setting one to a later time, and
/// clearing it, costs a store: it stays where it is to be looked at, and is put where it belongs then. No deadline
/// keeps the event loop going; what waits for it does. One per event loop.
class Sweeper : public asio::execution_context::service {
  public:
    /// One deadline. One per worker.
    class Entry : public boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::safe_link>> {
      public:
        /// `on_passed` is called from the event loop, at most once per `set`. It may set any deadline and must not
        /// destroy one: it closes a socket or wakes a task.
        Entry(Executor executor, std::function<void()> on_passed);
        ~Entry();
        Entry(const Entry&) = delete;

        void set(base::Deadline deadline);
        void clear() { at_ = base::SteadyTime::max(); }

      private:
        friend class Sweeper;
        Sweeper& sweeper_;
        std::function<void()> on_passed_;
        base::SteadyTime at_ = base::SteadyTime::max();
        base::SteadyTime looked_at_{};  // where it is linked: when it will be looked at
    };

    using key_type = Sweeper;
    static asio::execution_context::id id;
    explicit Sweeper(asio::execution_context& context);

  private:
    struct WhenLookedAt {
        using type = base::SteadyTime;
        type operator()(const Entry& entry) const { return entry.looked_at_; }
    };

    void shutdown() override;
    void look_at(Entry& entry, base::SteadyTime now);
    void wake_by(base::SteadyTime at);
    void start_timer(base::SteadyTime at);
    void sweep();

    Executor executor_;
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>
        timer_;
    base::SteadyTime timer_at_ = base::SteadyTime::max();  // of the wait that is under way
    boost::intrusive::multiset<Entry, boost::intrusive::key_of_value<WhenLookedAt>> entries_;
    base::SteadyTime sweep_end_{};  // of the last sweep: it takes what is looked at before
};

}  // namespace tertulia::async
