// Many deadlines, one timer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"

namespace tertulia::async {

class Alarms;

/// A moment at which something is to be done, unless it is put off. Must not outlive its Alarms. One per worker.
class Alarm {
  public:
    Alarm() = default;
    explicit Alarm(Alarms& alarms) : alarms_(&alarms) {}
    Alarm(const Alarm&) = delete;
    virtual ~Alarm();

    void set(base::Deadline deadline);
    void clear();

    /// To these from now on, or to none: then it is cleared, and not set.
    void belong_to(Alarms* alarms);

  private:
    friend class Alarms;
    static constexpr std::uint32_t nowhere = -1;

    /// Called from the event loop in time, at most once per `set`.
    virtual void ring() = 0;

    Alarms* alarms_ = nullptr;
    base::SteadyTime at_ = base::SteadyTime::max();
    base::SteadyTime looked_at_{};   // when it is looked at next, where it has a place
    std::uint32_t place_ = nowhere;  // in the heap
};

/// What is called when its moment has come: it closes a socket, as a rule. One per worker.
class CallingAlarm final : public Alarm {
  public:
    CallingAlarm(Alarms& alarms, std::function<void()> on_passed) : Alarm(alarms), on_passed_(std::move(on_passed)) {}

  private:
    void ring() override { on_passed_(); }
    std::function<void()> on_passed_;
};

/// The alarms of a worker. Most are put off again and again, or cleared, before their moment comes: that costs no more
/// than a store. Each stands in a heap by the moment when it is to be looked at, which is no later than its own; only
/// then it is put where it belongs by now. Looks that are far away come in groups, at the ticks of one clock. While no
/// alarm is set for longer than a tick no timer runs. One per worker.
class Alarms {
  public:
    static constexpr base::Milliseconds tick{250};

    explicit Alarms(Executor executor);
    ~Alarms();
    Alarms(const Alarms&) = delete;

  private:
    friend class Alarm;
    struct Timer;
    struct Place {
        base::SteadyTime at;
        Alarm* alarm;
    };
    static base::SteadyTime look_at(base::SteadyTime at, base::SteadyTime now);
    void put(Alarm& alarm);
    void remove(Alarm& alarm);
    void move_up(std::size_t place);
    void move_down(std::size_t place);
    void stand(std::size_t place, Place who);
    void schedule(base::SteadyTime at);
    void look();

    std::shared_ptr<Timer> timer_;  // shared with the wait that is under way
    std::vector<Place> heap_;
    std::size_t armed_ = 0;  // alarms that are set
};

inline void Alarm::set(base::Deadline deadline) {
    if (deadline.is_never()) return clear();
    if (at_ == base::SteadyTime::max()) ++alarms_->armed_;
    at_ = deadline.at();
    if (place_ == nowhere || at_ < looked_at_) alarms_->put(*this);
}

inline void Alarm::clear() {
    if (at_ == base::SteadyTime::max()) return;
    at_ = base::SteadyTime::max();
    --alarms_->armed_;
}

}  // namespace tertulia::async
