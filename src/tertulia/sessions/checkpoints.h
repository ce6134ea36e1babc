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
/// store, at most one an interval (and sooner only where a turn has much to lose). Shared; safe from any thread, but
/// `run`, which belongs to one worker.
class Checkpoints {
  public:
    struct Settings {
        /// 0: no checkpoints.
        base::Milliseconds interval{250};
        /// A turn that has more than this unsaved does not wait for the interval.
        std::size_t bytes = 4096;
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
    /// Waits until no checkpoint of the turn is under way; none is begun any more. Before the turn's end is written.
    async::Task<void> leave(std::shared_ptr<TurnLog> log, async::Executor executor);
    /// Reserves more event numbers for the turn, durably.
    async::Task<base::Result<void>> reserve(std::shared_ptr<TurnLog> log);

  private:
    /// Event numbers that are reserved ahead of the last one used.
    static constexpr std::uint32_t numbers_ahead = 10'000;
    /// What a turn that has much to lose waits, so that others can share its write.
    base::Milliseconds shortest_interval() const { return std::min(settings_.interval / 10, base::Milliseconds(25)); }

    std::vector<std::shared_ptr<TurnLog>> take_changed();
    void save_again(const std::shared_ptr<TurnLog>& log);
    async::Task<void> save(std::vector<std::shared_ptr<TurnLog>> logs);

    const Parts parts_;
    const Settings settings_;
    std::mutex mutex_;
    std::vector<std::shared_ptr<TurnLog>> changed_;
    base::SteadyTime first_change_;  // since when there is something to save
    bool is_urgent_ = false;
    bool stopped_ = false;
    std::shared_ptr<async::Waiter> loop_;
    std::vector<std::shared_ptr<async::Waiter>> leaving_;
};

}  // namespace tertulia::sessions
