// A secret that is fetched when it is first needed.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/secret.h"

namespace tertulia::aws {

/// Keeps what was fetched. One fetch at a time, by one of those who ask, however many they are; they all get what it
/// came to, and after a failure the next one who asks fetches anew. Shared; safe from any thread: tasks come back on
/// the caller's worker.
class SharedSecret {
  public:
    using Key = std::shared_ptr<const base::Secret>;
    using Fetch = std::function<async::Task<base::Result<base::Secret>>(std::stop_token stop, base::Deadline deadline)>;

    explicit SharedSecret(const base::Clock& clock) : clock_(clock) {}
    SharedSecret(const SharedSecret&) = delete;

    /// Errors: those of `fetch` (which outlives the task), timed_out, unavailable ("stopped").
    async::Task<base::Result<Key>> get(const Fetch& fetch, std::stop_token stop, base::Deadline deadline);

    /// It is refused: it may have been changed since it was fetched, so that the next `get` fetches anew; but not more
    /// often than once a minute.
    void reject(const Key& key);

  private:
    struct Flight {
        std::vector<std::shared_ptr<async::Waiter>> waiting;
        std::optional<base::Result<Key>> outcome;  // nothing: whoever fetched has left without one
        bool is_over = false;
    };
    void land(const std::shared_ptr<Flight>& flight, std::optional<base::Result<Key>> outcome);

    const base::Clock& clock_;
    std::mutex mutex_;
    Key key_;
    base::SteadyTime fetched_{};
    std::shared_ptr<Flight> flight_;
};

}  // namespace tertulia::aws
