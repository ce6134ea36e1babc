// Between values and rows.
#pragma once

#include <string_view>

#include "tertulia/sessions/store.h"
#include "tertulia/storage/sqlite_database.h"

namespace tertulia::storage {

/// The columns that `read_message` takes, in its order.
inline constexpr std::string_view message_columns =
    "role, content, timestamp, created_at, blocks, turn_id, state, model, stop_reason, input_tokens, "
    "cache_read_tokens, "
    "cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano, metadata";
sessions::StoredMessage read_message(const SqliteStatement::Rows& rows);

/// What `insert_message` takes.
inline constexpr std::string_view insert_message_sql =
    "INSERT INTO messages (owner, session_id, role, content, timestamp, created_at, blocks, turn_id, state, model, "
    "stop_reason, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, "
    "usage_estimated, "
    "cost_nano, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
    "?19)";
void insert_message(SqliteStatement& insert, const sessions::SessionKey& key, const sessions::StoredMessage& message);

/// The columns that `read_header` takes, in its order.
inline constexpr std::string_view header_columns =
    "session_id, message_count, last_timestamp, last_activity, first_words, model, system, context_from, "
    "context_window";
sessions::SessionHeader read_header(const SqliteStatement::Rows& rows);

}  // namespace tertulia::storage
