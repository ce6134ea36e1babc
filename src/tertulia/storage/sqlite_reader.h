// The store's reads as SQL.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/base/error.h"
#include "tertulia/sessions/store.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// Each method is one of SessionStore's reads, on one connection; it sees one state of the database throughout. Where
/// the database has failed by then the result means nothing: ask `take_error()` first. One per worker.
class SqliteReader {
  public:
    explicit SqliteReader(SqliteDatabase database);
    SqliteReader(const SqliteReader&) = delete;

    std::optional<sessions::SessionSnapshot> open(const sessions::SessionKey& key, std::int64_t max_messages,
                                                  std::int64_t max_bytes);
    std::vector<sessions::StoredMessage> older(const sessions::SessionKey& key, const std::string& before,
                                               std::int64_t max_messages, std::int64_t max_bytes);
    std::optional<sessions::MessagePage> messages(const sessions::SessionKey& key, const sessions::MessageQuery& query);
    std::optional<sessions::StoredTurn> turn(const sessions::TurnName& name);
    std::string next_turn(const sessions::TurnName& after);
    std::optional<sessions::IdempotencyRecord> idempotency(const std::string& owner, const std::string& key,
                                                           std::int64_t now_us);
    base::Result<sessions::SessionPage> sessions(const std::string& owner, std::int64_t limit,
                                                 const std::string& after);

    sessions::UsageReport usage(const sessions::UsageQuery& query);

    std::optional<SqliteError> take_error() { return database_.take_error(); }

  private:
    class Snapshot;
    // A session's running turn and the place of the answer that it rewrites.
    struct Running {
        std::string turn_id;
        std::string place;
    };
    Running running(const sessions::SessionKey& key);
    std::optional<sessions::StoredMessage> answer(SqliteStatement& statement, const sessions::TurnName& name);
    sessions::StoredMessage question_before(const sessions::SessionKey& key, std::string_view place);
    SqliteDatabase database_;
    SqliteStatement begin_;
    SqliteStatement commit_;
    SqliteStatement header_;
    SqliteStatement newest_;
    SqliteStatement older_;
    SqliteStatement forwards_;
    SqliteStatement sessions_first_;
    SqliteStatement sessions_after_;
    SqliteStatement answer_of_turn_;
    SqliteStatement place_of_turn_;
    SqliteStatement replaced_answer_;
    SqliteStatement turn_after_replaced_;
    SqliteStatement running_;
    SqliteStatement question_before_;
    SqliteStatement turn_after_place_;
    SqliteStatement idempotency_;
};

}  // namespace tertulia::storage
