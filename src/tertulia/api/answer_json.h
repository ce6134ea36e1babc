// Answers and histories as JSON.
#pragma once

#include <string>
#include <string_view>

#include "tertulia/chat/usage.h"
#include "tertulia/sessions/direct_answer.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/turn_reader.h"

namespace tertulia::api {

/// Appends `{"input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"}`, with
/// `"estimated": true` only where it is so.
void append_usage(std::string& out, const chat::Usage& usage);

/// Appends the answer of a completed turn: the 200 of `POST /chat` and the data of `turn.completed`.
void append_answer(std::string& out, const sessions::TurnResult& result);

/// Appends the answer of a `model.call`: `{"text", "content"?, "stop_reason", "model", "usage", "cost", "attempts"}`.
void append_direct_answer(std::string& out, const sessions::DirectAnswer& answer);

/// Appends what is left of a turn that did not complete, as members that begin with a comma: `partial` (its text so
/// far) where it was cut off, `missed` where the session had moved on.
void append_turn_remains(std::string& out, const sessions::TurnResult& result);

/// Appends the error body of a turn that did not complete: the data of `turn.failed` and its like.
void append_turn_error(std::string& out, const sessions::TurnResult& result, std::string_view request_id);

/// Appends the answer of `GET /sessions/{id}/turns/{turn}`.
void append_turn(std::string& out, const sessions::TurnReader& reader, std::string_view request_id);

/// Appends one message of a history.
void append_message(std::string& out, const sessions::StoredMessage& message);

/// Appends the answer of `GET /sessions/{id}/messages`.
void append_history(std::string& out, const sessions::SessionService::History& history);

/// Appends the answer of `GET /sessions`.
void append_sessions(std::string& out, const sessions::SessionPage& page);

}  // namespace tertulia::api
