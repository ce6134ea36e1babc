// Is a model's server ready to answer?
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"

namespace tertulia::models {

/// A local model's server takes seconds to load; turns wait for it. Shared; safe from any thread.
class Readiness {
  public:
    /// What is being waited for ("the local model loads"), or empty when ready (as it is from the start).
    std::string waiting_for() const;
    void set_waiting(std::string what);
    void set_ready();
    /// Wakes `waiter` at set_ready. False: ready already.
    bool notify(const std::shared_ptr<async::Waiter>& waiter);

  private:
    mutable std::mutex mutex_;
    std::string waiting_for_;
    std::vector<std::weak_ptr<async::Waiter>> waiters_;
};

}  // namespace tertulia::models
