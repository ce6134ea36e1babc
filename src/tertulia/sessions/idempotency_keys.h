// Which keys are being worked on.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/sessions/store.h"

namespace tertulia::sessions {

/// The keys of turns that run, so that the same request joins its turn and never runs twice. When a turn has ended its
/// key is the store's matter. Shared; safe from any thread.
class IdempotencyKeys {
  public:
    enum class Outcome {
        mine,      ///< the key is claimed: look into the store, then `bind` or `release`
        joins,     ///< `turn` is the one that this key stands for
        wait,      ///< somebody else is finding out: `waiter` will be woken
        mismatch,  ///< the key stands for another body
    };
    struct Claim {
        Outcome outcome;
        TurnName turn;
    };
    /// `fresh`: the request cannot be a repetition, so an earlier claim is no longer of interest.
    Claim claim(const std::string& owner, const std::string& key, const std::string& fingerprint, bool fresh,
                std::shared_ptr<async::Waiter> waiter);
    /// The claimed key stands for this turn from now on.
    void bind(const std::string& owner, const std::string& key, const TurnName& turn);
    /// Gives the key up, if it (still) stands for `turn_id` (empty: for none yet).
    void release(const std::string& owner, const std::string& key, const std::string& turn_id);

  private:
    struct Entry {
        std::string fingerprint;
        TurnName turn;
        std::vector<std::shared_ptr<async::Waiter>> waiters;
    };
    static std::string entry_name(const std::string& owner, const std::string& key) { return owner + "|" + key; }
    static void wake(Entry& entry);

    std::mutex mutex_;
    std::unordered_map<std::string, Entry> entries_;
};

}  // namespace tertulia::sessions
