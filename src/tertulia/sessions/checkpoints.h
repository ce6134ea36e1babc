// Saves running turns, so that a crash loses little of them.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_log.h"
#include "tertulia/telemetry/log.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::sessions {

/// One loop for all turns of the process: whatever they have published since the last time is kept in one write of the
/// store, at most one an interval (and sooner only where a turn has much to lose). Those that are watched from other
/// processes have an interval of their own. Shared; safe from any thread, but `run`, which belongs to one worker.
class Checkpoints {
  public:
    struct Settings {
        /// 0: no checkpoints.
        base::Milliseconds interval{250};
        /// A turn that has more than this unsaved does not wait for the interval.
        std::size_t bytes = 4096;
        /// A shorter interval of turns that are watched from other processes.
        base::Milliseconds watched{1000};
    };
    /// Where nobody says otherwise: seldom where each one is a request that is paid for.
    static base::Milliseconds usual_interval(const SessionStore& store) {
        return base::Milliseconds(store.is_shared() ? 5000 : 250);
    }
    struct Parts {
        SessionStore& store;
        const base::Clock& clock;
        const telemetry::Log& log;
        telemetry::Metrics& metrics;
    };
    Checkpoints(Parts parts, Settings settings) : parts_(parts), settings_(settings) {}

    /// The loop; ends after `stop`.
    async::Task<void> run(async::Executor executor);
    void stop();

    /// The turn has published more.
    void changed(const std::shared_ptr<TurnLog>& log);
    /// The turn has started: news where it is watched.
    void started(const std::shared_ptr<TurnLog>& log);
    /// Readers in other processes see of the turn what is saved of it, and do for so long from now.
    void watched(const std::shared_ptr<TurnLog>& log, base::Milliseconds time);
    /// Waits until no checkpoint of the turn is under way; none is begun any more. Before the turn's end is written.
    async::Task<void> leave(std::shared_ptr<TurnLog> log, async::Executor executor);
    /// Reserves more event numbers for the turn, durably.
    async::Task<base::Result<void>> reserve(std::shared_ptr<TurnLog> log);

  private:
    /// Event numbers that are reserved ahead of the last one used.
    static constexpr std::uint32_t numbers_ahead = 10'000;
    /// What a turn that has much to lose waits, so that others can share its write.
    base::Milliseconds shortest_interval() const { return std::min(settings_.interval / 10, base::Milliseconds(25)); }

    // Turns that have more to save, and since when there are any.
    struct Line {
        std::vector<std::shared_ptr<TurnLog>> logs;
        base::SteadyTime since{};
        bool is_urgent = false;
    };
    // All of these under the lock.
    base::Deadline due(const Line& line, base::Milliseconds interval) const {
        return line.logs.empty() ? base::Deadline::never()
                                 : base::Deadline(line.since + (line.is_urgent ? shortest_interval() : interval));
    }
    base::Deadline changed_due() const { return due(changed_, settings_.interval); }
    base::Deadline watched_due() const { return due(watched_, std::min(settings_.watched, settings_.interval)); }
    bool is_watched(const TurnLog& log) const {
        const base::SteadyTime until = log.checkpoint_state.watched_until;
        return until != base::SteadyTime{} && parts_.clock.steady() < until;
    }
    void list(const std::shared_ptr<TurnLog>& log, bool is_urgent = false);
    void save_again(const std::shared_ptr<TurnLog>& log);

    std::vector<std::shared_ptr<TurnLog>> take_due();
    async::Task<void> save(std::vector<std::shared_ptr<TurnLog>> logs);

    const Parts parts_;
    const Settings settings_;
    std::mutex mutex_;
    Line changed_;
    Line watched_;
    bool stopped_ = false;
    std::shared_ptr<async::Waiter> loop_;
    std::vector<std::shared_ptr<async::Waiter>> leaving_;
};

}  // namespace tertulia::sessions
