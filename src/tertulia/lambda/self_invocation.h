// What the function asks of itself, asynchronously.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/lambda/socket_event.h"
#include "tertulia/sessions/store.h"

namespace tertulia::lambda {

/// Work that goes on in an invocation of its own, whose answer nobody waits for. Done twice, it is as if done once.
/// Value.
struct SelfInvocation {
    enum class Kind : std::uint8_t {
        socket,  ///< `tertulia.socket`: a client's message, answered over its WebSocket
        turn,    ///< `tertulia.turn`: a turn that was handed over goes on
    };
    Kind kind = Kind::socket;
    /// Who is told of the events; nobody: whoever wants to know asks.
    std::optional<SocketClient> client;
    /// Of `socket`.
    std::string message_id = {};
    std::string message = {};
    /// Of `turn`: which, and how it is to be answered: the members of its request (chat_request.h) that the store does
    /// not know, as a JSON object.
    sessions::TurnName turn = {};
    std::string how = "{}";
    /// Of `turn`, where there is a client: its own id of the request, and the number of the event that it was told
    /// last.
    std::string client_id = {};
    std::uint32_t after = 0;
    /// What it belongs to for AWS X-Ray; goes beside the payload.
    std::string trace_id = {};
};

/// The payload: `{"kind": "tertulia.socket", ...}`. Pure.
std::string write_self_invocation(const SelfInvocation& invocation);

/// Is `kind` one of them? Pure.
bool is_self_invocation(std::string_view kind);

/// invalid_request: it is not one that we wrote. Pure.
base::Result<SelfInvocation> read_self_invocation(const boost::json::object& payload);

/// Of the JSON of a request, the members that matter to a turn that goes on elsewhere: how it is to be answered, not
/// what was said, nor what the session knows. `{}` where it is no JSON object. Pure.
std::string how_to_answer(std::string_view request);

}  // namespace tertulia::lambda
