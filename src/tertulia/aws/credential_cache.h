// Credentials that are always fresh.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/async/task_group.h"
#include "tertulia/async/waiter.h"
#include "tertulia/aws/credentials.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"

namespace tertulia::aws {

/// What all workers' caches know together. Shared; safe from any thread.
class CredentialState {
    friend class CredentialCache;

    std::mutex mutex_;
    std::shared_ptr<const Credentials> kept_;
    std::optional<base::Error> failure_;  // of the last fetch
    base::SteadyTime next_fetch_{};       // not before
    bool fetching_ = false;
    std::vector<std::shared_ptr<async::Waiter>> waiting_;
};

/// Keeps what was fetched, and fetches anew ten minutes before it expires (while the old ones hold nobody waits for
/// that, and a fetch that fails takes nothing away). One fetch at a time, on one of the workers, however many ask. One
/// per worker.
class CredentialCache {
  public:
    using Shared = std::shared_ptr<const Credentials>;
    using Fetch = std::function<async::Task<base::Result<Credentials>>(std::stop_token stop, base::Deadline deadline)>;

    /// `state` (of all workers) and `clock` outlive it, and so does `tasks`, the worker's own; what `fetch` refers to
    /// lives until `tasks` is empty.
    CredentialCache(CredentialState& state, async::Executor executor, async::TaskGroup& tasks, const base::Clock& clock,
                    Fetch fetch);
    CredentialCache(const CredentialCache&) = delete;

    /// Errors: those of `fetch` (of the last one, for a second after it), timed_out, unavailable ("stopped").
    async::Task<base::Result<Shared>> get(std::stop_token stop, base::Deadline deadline);

    /// The service refuses `credentials` as expired, whatever they say of themselves: the next `get` fetches anew.
    void reject(const Shared& credentials);

    /// Breaks off a fetch under way; at the worker's end.
    void close() { stop_.request_stop(); }

  private:
    /// What stands, as far as it can be said at once; nothing: a fetch is under way (`begins`: this caller is to run
    /// it).
    std::optional<base::Result<Shared>> look(bool& begins);
    /// False: nothing is under way any more.
    bool add_to_waiting(const std::shared_ptr<async::Waiter>& waiter);
    void remove_from_waiting(const std::shared_ptr<async::Waiter>& waiter);
    async::Task<void> run_fetch();
    /// How long what is kept still holds; nothing is kept: nothing. Under the lock.
    std::optional<std::chrono::microseconds> time_left() const;

    CredentialState& state_;
    async::Executor executor_;
    async::TaskGroup& tasks_;
    const base::Clock& clock_;
    const Fetch fetch_;
    std::stop_source stop_;
};

}  // namespace tertulia::aws
