#include "tertulia/storage/sqlite_writes.h"

#include <algorithm>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/storage/session_rules.h"
#include "tertulia/storage/sqlite_rows.h"

namespace tertulia::storage {

using base::Result;
using View = std::string_view;

SqliteWrites::SqliteWrites(SqliteDatabase& database)
    : database_(database),
      find_session_(
          database,
          "SELECT rowid, last_timestamp, running_turn, model FROM sessions WHERE owner = ?1 AND session_id = ?2"),
      last_message_(
          database,
          "SELECT timestamp FROM messages WHERE owner = ?1 AND session_id = ?2 ORDER BY timestamp DESC LIMIT 1"),
      count_messages_(database, "SELECT count(*) FROM messages WHERE owner = ?1 AND session_id = ?2"),
      insert_session_(
          database,
          "INSERT INTO sessions (owner, session_id, message_count, last_timestamp, last_activity, first_words, "
          "model, system, context_from, context_window, running_turn) "
          "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"),
      update_at_begin_(
          database,
          "UPDATE sessions SET message_count = message_count + ?2, last_timestamp = ?3, last_activity = ?4, "
          "model = ?5, system = ?6, context_from = ?7, context_window = ?8, running_turn = ?9 "
          "WHERE rowid = ?1"),
      update_at_end_(database,
                     "UPDATE sessions SET message_count = message_count + 1, last_timestamp = ?2, last_activity = ?3, "
                     "running_turn = NULL WHERE rowid = ?1"),
      insert_message_(database, insert_message_sql),
      running_sessions_(database, "SELECT owner, session_id FROM sessions WHERE running_turn IS NOT NULL"),
      delete_messages_(database, "DELETE FROM messages WHERE owner = ?1 AND session_id = ?2"),
      delete_session_(database, "DELETE FROM sessions WHERE owner = ?1 AND session_id = ?2") {}

std::optional<SqliteWrites::State> SqliteWrites::find(const sessions::SessionKey& key) {
    std::optional<State> state;
    {
        auto rows = find_session_.query(View(key.owner), View(key.session_id));
        if (rows.next())
            state = State{.row = rows.integer(0),
                          .last_timestamp = std::string(rows.text(1)),
                          .running_turn = std::string(rows.text(2)),
                          .model = std::string(rows.text(3))};
    }
    // Another program may have added messages without the header's knowledge; the order must hold nonetheless.
    auto rows = last_message_.query(View(key.owner), View(key.session_id));
    if (rows.next()) {
        if (!state) state = State{};
        if (rows.text(0) > state->last_timestamp) state->last_timestamp = rows.text(0);
    }
    return state;
}

Result<void> SqliteWrites::begin_turn(const sessions::TurnStart& start) {
    const sessions::StoredMessage& message = start.message;
    const std::optional<State> state = find(start.key);
    std::int64_t added = 1;
    if (state) {
        if (message.timestamp <= state->last_timestamp) return std::unexpected(not_later_than_last());
        if (!state->running_turn.empty()) {
            auto place = place_between(state->last_timestamp, message.timestamp);
            if (!place) return std::unexpected(not_later_than_last());
            insert_message(
                insert_message_, start.key,
                interrupted_answer(state->running_turn, state->model, std::move(*place), message.created_at));
            ++added;
        }
    }
    insert_message(insert_message_, start.key, message);
    if (state && state->row != 0) {
        update_at_begin_.run(state->row, added, View(message.timestamp), View(message.created_at), View(start.model),
                             View(start.system), View(start.context_from), start.context_window,
                             TextOrNull{message.turn_id});
        return {};
    }
    if (state) {  // messages of another program's making, the first of ours
        auto rows = count_messages_.query(View(start.key.owner), View(start.key.session_id));
        if (rows.next()) added = rows.integer(0);
    }
    insert_session_.run(View(start.key.owner), View(start.key.session_id), added, View(message.timestamp),
                        View(message.created_at), View(first_words(message.content)), View(start.model),
                        View(start.system), View(start.context_from), start.context_window,
                        TextOrNull{message.turn_id});
    return {};
}

Result<void> SqliteWrites::end_turn(const sessions::TurnEnd& end) {
    const std::optional<State> state = find(end.key);
    if (!state || state->running_turn.empty() || state->running_turn != end.message.turn_id)
        return std::unexpected(turn_not_running());
    if (end.message.timestamp <= state->last_timestamp) return std::unexpected(not_later_than_last());
    insert_message(insert_message_, end.key, end.message);
    update_at_end_.run(state->row, View(end.message.timestamp), View(end.message.created_at));
    return {};
}

Result<std::int64_t> SqliteWrites::close_interrupted(std::int64_t now_us) {
    std::vector<sessions::SessionKey> keys;
    {
        auto rows = running_sessions_.query();
        while (rows.next()) keys.push_back({std::string(rows.text(0)), std::string(rows.text(1))});
    }
    const std::string created_at = base::format_timestamp(now_us);
    for (const sessions::SessionKey& key : keys) {
        const std::optional<State> state = find(key);
        if (!state) continue;
        const sessions::StoredMessage answer = interrupted_answer(
            state->running_turn, state->model, base::next_timestamp(state->last_timestamp, now_us), created_at);
        insert_message(insert_message_, key, answer);
        update_at_end_.run(state->row, View(answer.timestamp), View(created_at));
    }
    return static_cast<std::int64_t>(keys.size());
}

Result<bool> SqliteWrites::remove(const sessions::SessionKey& key) {
    delete_messages_.run(View(key.owner), View(key.session_id));
    const std::int64_t messages = database_.changes();
    delete_session_.run(View(key.owner), View(key.session_id));
    return messages + database_.changes() > 0;
}

}  // namespace tertulia::storage
