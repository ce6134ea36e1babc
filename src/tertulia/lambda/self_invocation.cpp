#include "tertulia/lambda/self_invocation.h"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "tertulia/base/json.h"
#include "tertulia/base/random.h"

namespace tertulia::lambda {
namespace {

namespace json = boost::json;
using Kind = SelfInvocation::Kind;

constexpr std::string_view socket_kind = "tertulia.socket", turn_kind = "tertulia.turn";
constexpr std::array<std::string_view, 5> members_of_how{"tools", "tool_choice", "max_tokens", "temperature", "stop"};

std::string text(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

json::object client_json(const SocketClient& client) {
    return {{"connection_id", client.connection_id},
            {"domain", client.stage.domain},
            {"api_id", client.stage.api_id},
            {"stage", client.stage.stage}};
}

std::optional<SocketClient> read_client(const json::object& payload) {
    const json::value* value = payload.if_contains("client");
    if (!value || !value->is_object()) return std::nullopt;
    const json::object& object = value->get_object();
    SocketClient client{
        .connection_id = text(object, "connection_id"),
        .stage = {.domain = text(object, "domain"), .api_id = text(object, "api_id"), .stage = text(object, "stage")}};
    if (client.connection_id.empty()) return std::nullopt;
    return client;
}

}  // namespace

std::string write_self_invocation(const SelfInvocation& invocation) {
    json::object payload{{"kind", invocation.kind == Kind::socket ? socket_kind : turn_kind}};
    if (invocation.client) payload["client"] = client_json(*invocation.client);
    if (invocation.kind == Kind::socket) {
        payload["message_id"] = invocation.message_id;
        payload["message"] = invocation.message;
    } else {
        payload["owner"] = invocation.turn.key.owner;
        payload["session_id"] = invocation.turn.key.session_id;
        payload["turn_id"] = invocation.turn.turn_id;
        if (!invocation.client_id.empty()) payload["client_id"] = invocation.client_id;
        payload["after"] = invocation.after;
        payload["how"] = base::parse_json(invocation.how).value_or(json::object());
    }
    return json::serialize(payload);
}

bool is_self_invocation(std::string_view kind) {
    return kind == socket_kind || kind == turn_kind;
}

base::Result<SelfInvocation> read_self_invocation(const json::object& payload) {
    const std::string kind = text(payload, "kind");
    SelfInvocation read{.kind = kind == socket_kind ? Kind::socket : Kind::turn, .client = read_client(payload)};
    read.message_id = text(payload, "message_id");
    read.message = text(payload, "message");
    read.turn = {.key = {.owner = text(payload, "owner"), .session_id = text(payload, "session_id")},
                 .turn_id = text(payload, "turn_id")};
    if (const json::value* how = payload.if_contains("how"); how && how->is_object()) read.how = json::serialize(*how);
    read.client_id = text(payload, "client_id");
    if (const json::value* after = payload.if_contains("after"); after && after->is_int64())
        read.after = static_cast<std::uint32_t>(after->get_int64());
    const bool is_whole = read.kind == Kind::socket
                              ? read.client && !read.message.empty()
                              : !read.turn.key.owner.empty() && base::is_session_id(read.turn.key.session_id) &&
                                    base::is_session_id(read.turn.turn_id);
    if (!is_self_invocation(kind) || !is_whole)
        return base::fail(base::Errc::invalid_request, "This is no event that the function sends to itself.");
    return read;
}

std::string how_to_answer(std::string_view request) {
    const auto value = base::parse_json(request);
    json::object how;
    if (value && value->is_object())
        for (const std::string_view name : members_of_how)
            if (const json::value* member = value->get_object().if_contains(name)) how[name] = *member;
    return json::serialize(how);
}

}  // namespace tertulia::lambda
