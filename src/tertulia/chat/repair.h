// A history that every provider takes.
#pragma once

#include <vector>

#include "tertulia/chat/message.h"

namespace tertulia::chat {

/// Makes a history, oldest first, one that every provider takes, whoever made its parts, and whatever is missing of it:
///
/// - The first message is the user's and roles alternate: assistant messages at the beginning are left out, neighbours
///   of one role become one message. Each has something in it that all providers take (thinking and native blocks go
///   only to their makers); texts are not blank; a role has only the blocks that are its own.
/// - Every tool call has its result at the beginning of the very next message (Anthropic refuses it anywhere else, and
///   all refuse a call without one). Where the application sent none, the result says that the call was abandoned: to
///   leave the call out would take away what the model said and did, and thinking must not lose the call that it led
///   to. A result without its call becomes plain text, so that what the tool found is not lost.
/// - Calls' ids are unique and of `[A-Za-z0-9_-]{1,40}`, names of `[A-Za-z0-9_-]{1,64}`, arguments are a JSON object:
///   the strictest of what Anthropic, OpenAI and Bedrock demand of what another model may have written. Arguments that
///   are no JSON object become `{"invalid_arguments": "..."}`.
///
/// A last message of the assistant's (the beginning of an answer) stays the last, unless it calls tools. The same
/// history always comes out the same, and one that is in order stays as it is. Pure.
void repair_history(std::vector<Message>& messages);

}  // namespace tertulia::chat
