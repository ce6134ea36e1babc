#include "tertulia/storage/sqlite_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "tertulia/storage/session_rules.h"
#include "tertulia/storage/sqlite_ledger.h"
#include "tertulia/storage/sqlite_rows.h"

namespace tertulia::storage {

using View = std::string_view;

namespace {

// Every text sorts before this one (UTF-8 has no byte 0xff; as a bound it need not be valid).
constexpr View after_everything = "\xff";

// Reads rows in their order; says whether there are more of them.
bool read_on(SqliteStatement::Rows& rows, ReadLimit limit, std::vector<sessions::StoredMessage>& out) {
    while (rows.next()) {
        if (!limit.has_room()) return true;
        out.push_back(read_message(rows));
        limit.add(size_of(out.back()));
    }
    return false;
}

}  // namespace

// Holds one state of the database for several statements.
class SqliteReader::Snapshot {
  public:
    explicit Snapshot(SqliteReader& reader) : reader_(reader) { reader_.begin_.run(); }
    ~Snapshot() {
        const auto error = reader_.database_.take_error();  // must not keep the transaction from ending
        if (reader_.database_.in_transaction()) reader_.commit_.run();
        if (error) reader_.database_.record_error(error->code);
    }
    Snapshot(const Snapshot&) = delete;

  private:
    SqliteReader& reader_;
};

SqliteReader::SqliteReader(SqliteDatabase database)
    : database_(std::move(database)),
      begin_(database_, "BEGIN"),
      commit_(database_, "COMMIT"),
      header_(database_, fmt::format("SELECT {} FROM sessions WHERE owner = ?1 AND session_id = ?2", header_columns)),
      newest_(database_, fmt::format("SELECT {} FROM messages WHERE owner = ?1 AND session_id = ?2 "
                                     "ORDER BY timestamp DESC",
                                     message_columns)),
      older_(database_, fmt::format("SELECT {} FROM messages WHERE owner = ?1 AND session_id = ?2 AND timestamp < ?3 "
                                    "ORDER BY timestamp DESC",
                                    message_columns)),
      forwards_(database_, fmt::format("SELECT {} FROM messages WHERE owner = ?1 AND session_id = ?2 "
                                       "AND timestamp > ?3 AND timestamp < ?4 ORDER BY timestamp LIMIT ?5",
                                       message_columns)),
      sessions_first_(database_, fmt::format("SELECT {} FROM sessions WHERE owner = ?1 "
                                             "ORDER BY last_activity DESC, session_id DESC LIMIT ?2",
                                             header_columns)),
      sessions_after_(database_, fmt::format("SELECT {} FROM sessions WHERE owner = ?1 "
                                             "AND (last_activity, session_id) < (?3, ?4) "
                                             "ORDER BY last_activity DESC, session_id DESC LIMIT ?2",
                                             header_columns)),
      // The planner would look through the whole session.
      answer_of_turn_(database_, fmt::format("SELECT {}{} FROM messages INDEXED BY messages_of_turn WHERE turn_id = ?3 "
                                             "AND role = 'assistant' AND owner = ?1 AND session_id = ?2",
                                             message_columns, answer_columns)),
      place_of_turn_(database_,
                     "SELECT timestamp FROM messages INDEXED BY messages_of_turn WHERE turn_id = ?3 "
                     "AND role = 'assistant' AND owner = ?1 AND session_id = ?2"),
      replaced_answer_(database_, read_replaced_sql),
      turn_after_replaced_(database_,
                           "SELECT next_turn FROM replaced_turns WHERE owner = ?1 AND session_id = ?2 "
                           "AND turn_id = ?3"),
      running_(database_,
               "SELECT running_turn, running_place FROM sessions WHERE owner = ?1 AND session_id = ?2 "
               "AND running_turn IS NOT NULL"),
      question_before_(database_, fmt::format("SELECT {} FROM messages WHERE owner = ?1 AND session_id = ?2 "
                                              "AND timestamp < ?3 AND role = 'user' ORDER BY timestamp DESC LIMIT 1",
                                              message_columns)),
      turn_after_place_(database_,
                        "SELECT turn_id FROM messages WHERE owner = ?1 AND session_id = ?2 AND timestamp > ?3 "
                        "AND role = 'user' AND turn_id != '' ORDER BY timestamp LIMIT 1"),
      idempotency_(database_,
                   "SELECT key, fingerprint, session_id, turn_id, expires_at FROM idempotency "
                   "WHERE owner = ?1 AND key = ?2 AND expires_at > ?3") {}

std::optional<sessions::SessionSnapshot> SqliteReader::open(const sessions::SessionKey& key, std::int64_t max_messages,
                                                            std::int64_t max_bytes) {
    const Snapshot snapshot(*this);
    sessions::SessionSnapshot result;
    {
        auto rows = header_.query(View(key.owner), View(key.session_id));
        if (!rows.next()) return std::nullopt;
        result.header = read_header(rows);
    }
    auto rows = newest_.query(View(key.owner), View(key.session_id));
    result.more = read_on(rows, ReadLimit(max_messages, max_bytes), result.newest);
    // Another program may have added messages without the header's knowledge.
    if (!result.newest.empty() && result.newest.front().timestamp > result.header.last_timestamp)
        result.header.last_timestamp = result.newest.front().timestamp;
    return result;
}

std::vector<sessions::StoredMessage> SqliteReader::older(const sessions::SessionKey& key, const std::string& before,
                                                         std::int64_t max_messages, std::int64_t max_bytes) {
    std::vector<sessions::StoredMessage> result;
    auto rows = older_.query(View(key.owner), View(key.session_id), View(before));
    read_on(rows, ReadLimit(max_messages, max_bytes), result);
    return result;
}

std::optional<sessions::MessagePage> SqliteReader::messages(const sessions::SessionKey& key,
                                                            const sessions::MessageQuery& query) {
    const Snapshot snapshot(*this);
    if (!header_.query(View(key.owner), View(key.session_id)).next()) return std::nullopt;
    sessions::MessagePage page;
    if (query.after.empty() && !query.before.empty()) {
        auto rows = older_.query(View(key.owner), View(key.session_id), View(query.before));
        read_on(rows, ReadLimit(query.limit, query.max_bytes), page.messages);
        std::ranges::reverse(page.messages);
        return page;
    }
    auto rows = forwards_.query(View(key.owner), View(key.session_id), View(query.after),
                                query.before.empty() ? after_everything : View(query.before), query.limit + 1);
    page.more = read_on(rows, ReadLimit(query.limit, query.max_bytes), page.messages);
    return page;
}

SqliteReader::Running SqliteReader::running(const sessions::SessionKey& key) {
    auto rows = running_.query(View(key.owner), View(key.session_id));
    if (!rows.next()) return {};
    return {std::string(rows.text(0)), std::string(rows.text(1))};
}

std::optional<sessions::StoredMessage> SqliteReader::answer(SqliteStatement& statement,
                                                            const sessions::TurnName& name) {
    auto rows = statement.query(View(name.key.owner), View(name.key.session_id), View(name.turn_id));
    if (!rows.next()) return std::nullopt;
    return read_answer(rows);
}

sessions::StoredMessage SqliteReader::question_before(const sessions::SessionKey& key, View place) {
    auto rows = question_before_.query(View(key.owner), View(key.session_id), place);
    return rows.next() ? read_message(rows) : sessions::StoredMessage{};
}

std::optional<sessions::StoredTurn> SqliteReader::turn(const sessions::TurnName& name) {
    if (name.turn_id.empty()) return std::nullopt;
    const Snapshot snapshot(*this);
    sessions::StoredTurn turn;
    turn.answer = answer(answer_of_turn_, name);
    if (!turn.answer) turn.answer = answer(replaced_answer_, name);
    if (turn.answer) {
        turn.question = question_before(name.key, turn.answer->timestamp);
        return turn;
    }
    const Running now = running(name.key);
    if (now.turn_id != name.turn_id) return std::nullopt;
    turn.question = question_before(name.key, now.place.empty() ? after_everything : View(now.place));
    return turn;
}

std::string SqliteReader::next_turn(const sessions::TurnName& after) {
    const Snapshot snapshot(*this);
    const auto text = [](SqliteStatement::Rows rows) { return std::string(rows.next() ? rows.text(0) : View()); };
    const View owner = after.key.owner, session = after.key.session_id;
    if (after.turn_id.empty()) return {};
    if (std::string next = text(turn_after_replaced_.query(owner, session, View(after.turn_id))); !next.empty())
        return next;
    const std::string place = text(place_of_turn_.query(owner, session, View(after.turn_id)));
    if (place.empty()) return {};
    if (Running now = running(after.key); now.place == place) return now.turn_id;
    return text(turn_after_place_.query(owner, session, View(place)));
}

std::optional<sessions::IdempotencyRecord> SqliteReader::idempotency(const std::string& owner, const std::string& key,
                                                                     std::int64_t now_us) {
    auto rows = idempotency_.query(View(owner), View(key), now_us);
    if (!rows.next()) return std::nullopt;
    return sessions::IdempotencyRecord{.key = std::string(rows.text(0)),
                                       .fingerprint = std::string(rows.text(1)),
                                       .session_id = std::string(rows.text(2)),
                                       .turn_id = std::string(rows.text(3)),
                                       .expires_us = rows.integer(4)};
}

base::Result<sessions::SessionPage> SqliteReader::sessions(const std::string& owner, std::int64_t limit,
                                                           const std::string& after) {
    SessionCursor cursor;
    if (!after.empty()) {
        auto parsed = parse_cursor(after);
        if (!parsed) return std::unexpected(parsed.error());
        cursor = std::move(*parsed);
    }
    // One more than asked for tells whether there is a next page.
    sessions::SessionPage page;
    const auto read = [&](SqliteStatement::Rows rows) {
        while (rows.next()) page.sessions.push_back(read_header(rows));
    };
    if (after.empty())
        read(sessions_first_.query(View(owner), limit + 1));
    else
        read(sessions_after_.query(View(owner), limit + 1, View(cursor.last_activity), View(cursor.session_id)));
    if (std::ssize(page.sessions) > limit) {
        page.sessions.resize(static_cast<std::size_t>(limit));
        page.next = format_cursor({page.sessions.back().last_activity, page.sessions.back().session_id});
    }
    return page;
}

sessions::UsageReport SqliteReader::usage(const sessions::UsageQuery& query) {
    const Snapshot snapshot(*this);
    return read_usage(database_, query);
}

}  // namespace tertulia::storage
