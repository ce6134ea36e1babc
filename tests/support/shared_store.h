// A store that several processes share, in memory.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/memory_store.h"
#include "tests/support/manual_clock.h"

namespace tertulia::test {

class SharedStore;

/// What the processes share: the sessions, who has claimed them, and the keys. A claim of a process that is frozen or
/// dead ends by `clock` alone. One per worker.
class SharedTable {
  public:
    static constexpr std::chrono::seconds lease{9}, handed_lease{60}, watch_time{30};

    ManualClock clock;
    storage::MemoryStore memory;

    /// The turns whose end was written by another process than the one that ran them last.
    std::vector<std::string> closed;

  private:
    friend class SharedStore;
    struct Claim {
        std::string turn_id;
        SharedStore* holder = nullptr;  // null: nobody renews it
        base::SteadyTime until = base::SteadyTime::max();
        std::function<void(sessions::TurnState)> stop;
        std::function<void(base::Milliseconds)> watched;
        std::optional<sessions::TurnState> asked;  // to stop; nobody has been told yet
        bool has_begun = false;
        bool is_handed = false;
        // Of a turn that has begun.
        std::string question_place;
        std::string rewrites;
        std::string model;
        std::uint32_t first_number = 1;
        std::vector<std::string> pieces;
        std::uint64_t forgotten = 0;  // pieces before these
    };
    using Key = std::pair<std::string, std::string>;  // owner, and session or idempotency key
    async::Task<Claim*> living(sessions::SessionKey key);

    std::map<Key, Claim> claims_;
    std::map<Key, std::set<const SharedStore*>> watchers_;  // for good: no test has more of a session's life
    std::map<Key, sessions::IdempotencyRecord> keys_;
};

/// The same as one of the processes sees it. One per worker.
class SharedStore final : public sessions::SessionStore {
  public:
    SharedStore(SharedTable& table, async::Executor executor) : table_(table), executor_(executor) {}

    /// The process stands still: its calls wait, its claims are not renewed.
    void freeze();
    /// It goes on, and learns what it has lost meanwhile.
    void thaw();
    /// While it is set everything fails with `unavailable`, and changes nothing.
    bool is_away = false;
    /// The same of single methods.
    std::set<std::string> broken;
    /// Sees every call before it does anything.
    std::function<void(std::string_view method)> on_call;
    /// How often each method was called.
    std::map<std::string, int> calls;
    /// Writes that came too late, and were refused.
    int refused = 0;

    bool is_shared() const override { return true; }
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) override;
    async::Task<base::Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                                          std::int64_t max_messages,
                                                                          std::int64_t max_bytes) override;
    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open_turn(
        sessions::TurnOpening opening) override;
    async::Task<base::Result<void>> abandon_turn(sessions::TurnName turn) override;
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> claim_key(std::string owner,
                                                                                    sessions::IdempotencyRecord record,
                                                                                    std::string instead_of,
                                                                                    std::int64_t now_us) override;
    async::Task<base::Result<void>> free_key(std::string owner, std::string key, std::string turn_id) override;
    async::Task<base::Result<bool>> ask_to_stop(sessions::TurnName turn, sessions::TurnState as) override;
    async::Task<base::Result<std::string>> running_turn(sessions::SessionKey key) override;
    async::Task<base::Result<void>> watch(sessions::SessionKey key) override;
    async::Task<base::Result<sessions::TurnNews>> news(sessions::TurnName turn, sessions::NewsPlace from) override;
    async::Task<base::Result<void>> hand_over(sessions::TurnName turn) override;
    async::Task<base::Result<sessions::HandedTurn>> take_over(sessions::TurnOpening opening) override;
    async::Task<base::Result<std::int64_t>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    async::Task<base::Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t) override {
        co_return base::Result<std::int64_t>(0);
    }
    async::Task<base::Result<std::optional<sessions::StoredTurn>>> turn(sessions::TurnName name) override;
    async::Task<base::Result<std::string>> next_turn(sessions::TurnName after) override;
    async::Task<base::Result<std::optional<sessions::IdempotencyRecord>>> idempotency(std::string owner,
                                                                                      std::string key,
                                                                                      std::int64_t now_us) override;
    async::Task<base::Result<std::optional<sessions::MessagePage>>> messages(sessions::SessionKey key,
                                                                             sessions::MessageQuery query) override;
    async::Task<base::Result<sessions::SessionPage>> sessions(std::string owner, std::int64_t limit,
                                                              std::string after) override;
    async::Task<base::Result<bool>> remove(sessions::SessionKey key) override;
    async::Task<base::Result<sessions::UsageReport>> usage(sessions::UsageQuery query) override;

  private:
    friend class SharedTable;
    async::Task<base::Result<void>> reach(const char* method);
    SharedTable::Claim* held(const sessions::SessionKey& key, const std::string& turn_id);
    static void tell_watched(const SharedTable::Claim& claim, const std::set<const SharedStore*>& watchers);

    SharedTable& table_;
    async::Executor executor_;
    bool is_frozen_ = false;
    std::set<std::shared_ptr<async::Waiter>> waiting_;
    struct Held {
        std::string turn_id;
        std::function<void(sessions::TurnState)> stop;
    };
    std::map<SharedTable::Key, Held> held_;
};

}  // namespace tertulia::test
