// The body and headers of `POST /chat`.
#pragma once

#include <boost/json/fwd.hpp>
#include <optional>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/sessions/turn_request.h"

namespace tertulia::api {

/// What a client asks of a turn, and of how it is told. Value.
struct ChatRequest {
    /// Owner, request id and on_busy are the caller's to fill in.
    sessions::TurnRequest turn;
    /// Where not given, the configuration's.
    std::optional<sessions::OnBusy> on_busy;
    std::optional<sessions::OnDisconnect> on_disconnect;
    /// Answer at once with the turn's ids.
    bool respond_async = false;
};

/// Reads a body, strictly: well-formed JSON, known members only, each of the right kind and within its limits. `null`
/// counts as absent. There is `message` or `content` (content_request.h). The error (always invalid_request) names the
/// member and says what is allowed, or says at which byte the JSON breaks. A message that is missing, empty, blank or
/// no string has the documented title and message. Of the headers `Accept`, `Prefer`, `Idempotency-Key` and the SDKs'
/// `X-Stainless-Retry-Count` are read. Pure.
base::Result<ChatRequest> parse_chat_request(std::string_view body, const http::Headers& headers);

/// The same for a continuation, which has no message of its own; its body may be empty. Pure.
base::Result<ChatRequest> parse_continue_request(std::string_view body, const http::Headers& headers);

/// The members alone. Pure.
base::Result<ChatRequest> read_chat_request(const boost::json::object& object);
/// The same without `message`, which is not looked at, nor `content` in its place. Pure.
base::Result<void> read_chat_members(const boost::json::object& object, ChatRequest& request);

/// Does an Accept header name event streams? What it prefers (`q`) does not matter: nobody else asks for this type.
bool accepts_event_stream(std::string_view accept);

/// May this be a message's timestamp?
bool is_place(std::string_view text);

}  // namespace tertulia::api
