// The store's writes as SQL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/storage/sqlite_database.h"
#include "tertulia/storage/sqlite_ledger.h"
#include "tertulia/storage/sqlite_running_turns.h"

namespace tertulia::storage {

/// Each method is one of SessionStore's writes, inside a transaction that the caller began. It looks before it writes,
/// so that a refused operation (conflict, not_found) has written nothing and the transaction goes on. Where the
/// database has failed by then the result means nothing: ask `SqliteDatabase::failed()` first. One per worker.
class SqliteWrites {
  public:
    /// `priced`: for the bills of interrupted turns; may be empty.
    explicit SqliteWrites(SqliteDatabase& database, PriceBill priced = {});

    base::Result<std::int64_t> begin_turn(const sessions::TurnStart& start);
    base::Result<void> end_turn(const sessions::TurnEnd& end);
    base::Result<void> checkpoint(const std::vector<sessions::TurnCheckpoint>& pieces);
    base::Result<std::int64_t> close_interrupted(std::int64_t now_us);
    base::Result<void> close_turn(const sessions::TurnName& turn, std::int64_t now_us);
    base::Result<bool> remove(const sessions::SessionKey& key);

    /// The last step of each transaction; then one of the other two, as it came out.
    void before_commit() { turns_.before_commit(); }
    void committed() { turns_.committed(); }
    void rolled_back() { turns_.rolled_back(); }

  private:
    // What a write must know of a session.
    struct State {
        std::int64_t row = 0;  // 0: another program has written messages, but no header
        std::int64_t message_count = 0;
        std::string last_timestamp;
        std::string model;
        std::string running_turn;
        std::string running_place;  // of the answer that it rewrites
        std::uint32_t running_number = 1;
    };
    std::optional<State> find(const sessions::SessionKey& key);
    std::optional<sessions::StoredMessage> message_at(const sessions::SessionKey& key, const std::string& place);
    bool may_rewrite(const sessions::SessionKey& key, const State& state, const std::string& place);
    // Writes the missing answer of `lost` and its bill; gives the messages added and what the bill costs.
    struct Closed {
        std::int64_t added = 0;
        std::int64_t nano = 0;
    };
    Closed close(const sessions::SessionKey& key, const State& state, const LostTurn& lost, std::string place,
                 const std::string& created_at);
    // The same at `now_us`, of the session's running turn.
    void close_running(const sessions::SessionKey& key, const State& state,
                       std::optional<sessions::TurnRemains> remains, std::int64_t now_us);
    LostTurn lost_turn(const sessions::SessionKey& key, const State& state);
    // Appends the running turn's answer, or puts it in its place; gives the number of messages added.
    std::int64_t write_answer(const sessions::SessionKey& key, const State& state,
                              const sessions::StoredMessage& answer);
    void keep_idempotency(const sessions::TurnStart& start);

    SqliteDatabase& database_;
    PriceBill priced_;
    SqliteRunningTurns turns_;
    SqliteLedger ledger_;
    SqliteStatement find_session_;
    SqliteStatement last_message_;
    SqliteStatement message_at_;
    SqliteStatement count_messages_;
    SqliteStatement insert_session_;
    SqliteStatement update_at_begin_;
    SqliteStatement update_at_end_;
    SqliteStatement insert_message_;
    SqliteStatement update_message_;
    SqliteStatement keep_replaced_;
    SqliteStatement insert_idempotency_;
    SqliteStatement delete_expired_;
    SqliteStatement running_sessions_;
    SqliteStatement delete_messages_;
    SqliteStatement delete_replaced_;
    SqliteStatement delete_idempotency_;
    SqliteStatement delete_session_;
};

}  // namespace tertulia::storage
