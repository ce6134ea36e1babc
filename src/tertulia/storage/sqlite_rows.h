// Between values and rows.
#pragma once

#include <cstdint>
#include <string_view>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// What a column `usage_estimated` holds (sqlite_schema.cpp).
std::int64_t estimated_parts(const chat::Usage& usage);

/// The columns that `read_message` takes, in its order.
inline constexpr std::string_view message_columns =
    "role, content, timestamp, created_at, blocks, turn_id, state, model, stop_reason, input_tokens, "
    "cache_read_tokens, "
    "cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano, metadata";
sessions::StoredMessage read_message(const SqliteStatement::Rows& rows);

/// The columns that `read_answer` takes: those, and what histories leave out. The columns stand last in their table, so
/// that reading a history does not touch the pages that only they fill.
inline constexpr std::string_view answer_columns = ", events, outcome";
sessions::StoredMessage read_answer(const SqliteStatement::Rows& rows);

/// What `write_message` takes: a new row, or one that is there already.
inline constexpr std::string_view insert_message_sql =
    "INSERT INTO messages (owner, session_id, role, content, timestamp, created_at, blocks, turn_id, state, model, "
    "stop_reason, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, "
    "usage_estimated, "
    "cost_nano, metadata, events, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
    "?16, ?17, ?18, ?19, ?20, ?21)";
inline constexpr std::string_view update_message_sql =
    "UPDATE messages SET role = ?3, content = ?4, created_at = ?6, blocks = ?7, turn_id = ?8, state = ?9, model = ?10, "
    "stop_reason = ?11, input_tokens = ?12, cache_read_tokens = ?13, cache_write_tokens = ?14, output_tokens = ?15, "
    "reasoning_tokens = ?16, usage_estimated = ?17, cost_nano = ?18, metadata = ?19, events = ?20, outcome = ?21 "
    "WHERE owner = ?1 AND session_id = ?2 AND timestamp = ?5";
/// `place`: in the place of the message's own timestamp.
void write_message(SqliteStatement& statement, const sessions::SessionKey& key, const sessions::StoredMessage& message,
                   std::string_view place);

/// Keeps what an answer (owner ?1, session ?2, place ?3) is before the turn ?4 rewrites it.
inline constexpr std::string_view keep_replaced_sql =
    "INSERT OR REPLACE INTO replaced_turns (owner, session_id, turn_id, place, next_turn, content_size, created_at, "
    "blocks, state, model, stop_reason, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, "
    "reasoning_tokens, usage_estimated, cost_nano, events, outcome) SELECT owner, session_id, turn_id, timestamp, ?4, "
    "length(CAST(content AS BLOB)), created_at, blocks, state, model, stop_reason, input_tokens, cache_read_tokens, "
    "cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano, events, outcome FROM messages "
    "WHERE owner = ?1 AND session_id = ?2 AND timestamp = ?3";
/// Such an answer of owner ?1, session ?2 and turn ?3, in the columns that `read_answer` takes.
inline constexpr std::string_view read_replaced_sql =
    "SELECT 'assistant', CAST(substr(CAST(m.content AS BLOB), 1, r.content_size) AS TEXT), r.place, r.created_at, "
    "r.blocks, r.turn_id, r.state, r.model, r.stop_reason, r.input_tokens, r.cache_read_tokens, r.cache_write_tokens, "
    "r.output_tokens, r.reasoning_tokens, r.usage_estimated, r.cost_nano, NULL, r.events, r.outcome "
    "FROM replaced_turns AS r LEFT JOIN messages AS m ON m.owner = r.owner AND m.session_id = r.session_id "
    "AND m.timestamp = r.place WHERE r.owner = ?1 AND r.session_id = ?2 AND r.turn_id = ?3";

/// The columns that `read_header` takes, in its order.
inline constexpr std::string_view header_columns =
    "session_id, message_count, last_timestamp, last_activity, first_words, model, system, context_from, "
    "context_window, spent_nano";
sessions::SessionHeader read_header(const SqliteStatement::Rows& rows);

}  // namespace tertulia::storage
