// The store's writes as SQL.
#pragma once

#include <cstdint>
#include <string>

#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// Each method is one of SessionStore's writes, inside a transaction that the caller began. It looks before it writes,
/// so that a refused operation (conflict, not_found) has written nothing and the transaction goes on. Where the
/// database has failed by then the result means nothing: ask `SqliteDatabase::failed()` first. For one thread.
class SqliteWrites {
  public:
    explicit SqliteWrites(SqliteDatabase& database);

    base::Result<void> begin_turn(const sessions::TurnStart& start);
    base::Result<void> end_turn(const sessions::TurnEnd& end);
    base::Result<std::int64_t> close_interrupted(std::int64_t now_us);
    base::Result<bool> remove(const sessions::SessionKey& key);

  private:
    // What a write must know of a session.
    struct State {
        std::int64_t row = 0;
        std::string last_timestamp;
        std::string running_turn;
        std::string model;
    };
    std::optional<State> find(const sessions::SessionKey& key);

    SqliteDatabase& database_;
    SqliteStatement find_session_;
    SqliteStatement last_message_;
    SqliteStatement count_messages_;
    SqliteStatement insert_session_;
    SqliteStatement update_at_begin_;
    SqliteStatement update_at_end_;
    SqliteStatement insert_message_;
    SqliteStatement running_sessions_;
    SqliteStatement delete_messages_;
    SqliteStatement delete_session_;
};

}  // namespace tertulia::storage
