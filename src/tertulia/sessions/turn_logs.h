// All turn logs in memory.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/turn_log.h"

namespace tertulia::sessions {

/// The logs of the turns that run, and for a while of those that have ended (after that the store has them), by turn
/// and in the order of each session. Bounded: where there is too much, ended ones go first. Shared; safe from any
/// thread.
class TurnLogs {
  public:
    struct Settings {
        /// Of all logs together, the restored ones included; more is refused.
        std::int64_t max_bytes = 256 << 20;
        /// How long an ended turn's log is kept. All of the ended ones have at most a quarter of `max_bytes`.
        base::Milliseconds keep{60'000};
    };
    TurnLogs(Settings settings, const base::Clock& clock);

    /// A log for a new turn. `unavailable`: those in use take all the memory there may be.
    base::Result<std::shared_ptr<TurnLog>> make(std::shared_ptr<const TurnName> name);
    /// The log of an ended turn that the store has. It is here while somebody reads it, once for all its readers.
    /// `unavailable`: as above.
    base::Result<std::shared_ptr<TurnLog>> restore(const TurnName& name, const StoredMessage& answer);
    /// The log of a turn that runs in another process, the same for all its readers. Whoever made it (`is_new`) fills
    /// it.
    struct Followed {
        std::shared_ptr<TurnLog> log;
        bool is_new = false;
    };
    base::Result<Followed> follow(const TurnName& name);
    /// Lets go of such a log, if nobody reads it (but the caller, who holds it once).
    bool forget_unread(const std::shared_ptr<TurnLog>& log);
    /// The turn's log if it is here. A turn is found only under its session and owner.
    std::shared_ptr<TurnLog> find(const TurnName& name) const;
    /// The turn has started: it stands now in its session's order.
    void started(const std::shared_ptr<TurnLog>& log);
    /// The turn has ended: its log is kept for a while.
    void ended(const std::shared_ptr<TurnLog>& log);
    /// May a turn that runs say more? Not where the others alone take twice what there may be: new turns are refused
    /// long before, but those that run grow.
    bool may_grow(const TurnLog& log) const;
    /// The turn goes on in another process: whoever asks for it from now on has to ask the store.
    void left(const std::shared_ptr<TurnLog>& log);
    /// Drops a session's ended logs (it is deleted).
    void forget(const SessionKey& key);
    /// Drops what has been kept for long enough.
    void sweep();

    // -- the order of a session's turns ----------------------------------------------------------------------------
    /// The newest turn that has started, if it is here.
    std::shared_ptr<TurnLog> newest(const SessionKey& key) const;
    /// The turn that started next after `turn_id` (empty: the oldest one here); null: none has yet. Nothing: `turn_id`
    /// is not here any more, so only the store can say.
    std::optional<std::shared_ptr<TurnLog>> next(const SessionKey& key, const std::string& turn_id) const;
    /// `waiter` is woken whenever a turn of the session starts.
    void add_waiter(const SessionKey& key, std::shared_ptr<async::Waiter> waiter);
    void remove_waiter(const SessionKey& key, const async::Waiter* waiter);

    std::int64_t bytes() const { return memory_->load(std::memory_order_relaxed); }

  private:
    struct Line {
        std::vector<std::shared_ptr<TurnLog>> made;  // not started yet, or never
        std::vector<std::shared_ptr<TurnLog>> started;
        std::vector<std::shared_ptr<async::Waiter>> waiters;
    };
    struct Ended {
        base::SteadyTime at;
        std::shared_ptr<TurnLog> log;
        std::int64_t bytes;
    };
    struct HashKey {
        std::size_t operator()(const SessionKey& key) const;
    };
    /// Sessions with logs or waiters here. Flat: with the logs of a minute its nodes are in no cache.
    using Lines = boost::unordered_flat_map<SessionKey, Line, HashKey>;

    std::weak_ptr<TurnLog>& restored_place(const std::string& turn_id);
    base::Result<void> make_room();
    void drop_oldest();
    void remove_from_line(const std::shared_ptr<TurnLog>& log);
    void drop_line_if_empty(Lines::iterator line);

    const Settings settings_;
    const base::Clock& clock_;
    const std::shared_ptr<std::atomic<std::int64_t>> memory_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, std::weak_ptr<TurnLog>> restored_;
    std::size_t clean_at_ = 64;  // restored_ of this size is looked through for those that nobody reads any more
    Lines lines_;
    std::deque<Ended> ended_;  // oldest first
    std::int64_t ended_bytes_ = 0;
};

}  // namespace tertulia::sessions
