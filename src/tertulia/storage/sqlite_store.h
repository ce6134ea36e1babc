// Sessions in one SQLite file: the default store.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::storage {

/// Value.
struct SqliteOptions {
    /// The database file. `PATH-wal` and `PATH-shm` (SQLite's) and `PATH.lock` stand beside it.
    std::string path;
    /// The most pages of 4 KiB that the file may have; 0: as many as the disk holds.
    std::int64_t max_pages = 0;
    /// How long a lock that another program holds is waited for.
    int busy_ms = 4000;
    /// For the bills of interrupted turns; empty: they have no price.
    PriceBill priced = {};
};

/// Write-ahead log, synchronous=FULL, one writer thread with group commit, readers and checkpoints beside it. Another
/// server on the same file is refused; other programs may read it (and write, if they keep the header in `sessions`
/// true). Shared; safe from any thread.
class SqliteStore final : public sessions::SessionStore {
  public:
    /// Errors: those of open_store(). `log` must outlive the store; no task of the store may be waited for any more
    /// when it is destroyed (what is queued is written first).
    static base::Result<std::unique_ptr<SqliteStore>> open(const SqliteOptions& options, const telemetry::Log& log);
    ~SqliteStore() override;

    async::Task<base::Result<std::optional<sessions::SessionSnapshot>>> open(sessions::SessionKey key,
                                                                             std::int64_t max_messages,
                                                                             std::int64_t max_bytes) override;
    async::Task<base::Result<std::vector<sessions::StoredMessage>>> older(sessions::SessionKey key, std::string before,
                                                                          std::int64_t max_messages,
                                                                          std::int64_t max_bytes) override;
    async::Task<base::Result<std::int64_t>> begin_turn(sessions::TurnStart start) override;
    async::Task<base::Result<void>> end_turn(sessions::TurnEnd end) override;
    async::Task<base::Result<void>> checkpoint(std::vector<sessions::TurnCheckpoint> pieces) override;
    async::Task<base::Result<std::int64_t>> close_interrupted(std::int64_t now_us) override;
    async::Task<base::Result<void>> close_turn(sessions::TurnName turn, std::int64_t now_us) override;
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

    /// Transactions committed so far: fewer than writes, since those that wait together share one.
    std::uint64_t commits() const;

  private:
    struct Parts;
    explicit SqliteStore(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace tertulia::storage
