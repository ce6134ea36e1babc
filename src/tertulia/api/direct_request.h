// What a program asks without HTTP: Step Functions, or whoever invokes the Lambda function.
#pragma once

#include <boost/json/fwd.hpp>
#include <string_view>

#include "tertulia/api/chat_request.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/direct_answer.h"

namespace tertulia::api {

/// Value.
struct DirectRequest {
    enum class Kind : std::uint8_t {
        chat_turn,   ///< `chat.turn`: a turn of a session
        model_call,  ///< `model.call`: an answer that belongs to no session
    };
    Kind kind = Kind::chat_turn;
    ChatRequest chat;
    sessions::DirectQuestion question;
};

/// Reads, as strictly as a body (chat_request.h),
///
///     {"kind": "chat.turn", "message": "...", ...}        as POST /chat, with idempotency_key?; `stream` does not
///     count
///     {"kind": "model.call", "messages": [{"role": "user" or "assistant", "content": "..." or blocks}, ...], "model"?,
///      "system"?, "max_tokens"?, "temperature"?}
///
/// Errors: invalid_request. Pure.
base::Result<DirectRequest> read_direct_request(boost::json::object object);

}  // namespace tertulia::api
