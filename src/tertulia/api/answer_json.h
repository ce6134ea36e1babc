// Answers and histories as JSON.
#pragma once

#include <string>

#include "tertulia/chat/usage.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_log.h"

namespace tertulia::api {

/// Appends `{"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"}`, with
/// `"estimated": true` only where it is so.
void append_usage(std::string& out, const chat::Usage& usage);

/// Appends the answer of a completed turn: the 200 of `POST /chat` and the data of `turn.completed`.
void append_answer(std::string& out, const sessions::TurnResult& result);

/// Appends one message of a history.
void append_message(std::string& out, const sessions::StoredMessage& message);

/// Appends the answer of `GET /sessions/{id}/messages`.
void append_history(std::string& out, const sessions::SessionService::History& history);

/// Appends the answer of `GET /sessions`.
void append_sessions(std::string& out, const sessions::SessionPage& page);

}  // namespace tertulia::api
