#include "tertulia/api/socket_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "tertulia/api/once_key.h"
#include "tertulia/base/json.h"
#include "tertulia/base/random.h"
#include "tertulia/base/utf8.h"

namespace tertulia::api {
namespace {

namespace json = boost::json;
using base::Result;
using Type = SocketRequest::Type;

constexpr std::size_t max_request_id_characters = 64;

std::unexpected<base::Error> wrong(std::string message) {
    return base::fail(base::Errc::invalid_request, std::move(message));
}

struct Kind {
    std::string_view name;
    Type type;
    std::array<std::string_view, 3> members;  // beside type and request_id
};

constexpr std::array<Kind, 6> kinds{{
    {"chat", Type::chat, {}},
    {"subscribe", Type::subscribe, {"session_id", "last_event_id"}},
    {"unsubscribe", Type::unsubscribe, {"session_id"}},
    {"resume", Type::resume, {"session_id", "turn_id", "last_event_id"}},
    {"cancel", Type::cancel, {"session_id", "turn_id"}},
    {"ping", Type::ping, {}},
}};

// Takes a member that must be a string, if there is one; null counts as none.
Result<std::optional<std::string>> take_string(json::object& object, std::string_view name) {
    const auto found = object.find(name);
    if (found == object.end()) return std::nullopt;
    const json::value value = std::move(found->value());
    object.erase(found);
    if (value.is_null()) return std::nullopt;
    if (!value.is_string()) return wrong(fmt::format("'{}' must be a string.", name));
    return std::string(value.get_string());
}

Result<void> read_ids(json::object& object, const Kind& kind, SocketRequest& request) {
    const auto has = [&kind](std::string_view name) {
        return std::ranges::find(kind.members, name) != kind.members.end();
    };
    if (has("session_id")) {
        auto id = take_string(object, "session_id");
        if (!id) return std::unexpected(id.error());
        if (!*id || !base::is_session_id(**id)) return wrong("'session_id' must name a session.");
        request.session_id = **std::move(id);
    }
    if (has("turn_id")) {
        auto id = take_string(object, "turn_id");
        if (!id) return std::unexpected(id.error());
        if (!*id || !base::is_session_id(**id)) return wrong("'turn_id' must name a turn.");
        request.turn_id = **std::move(id);
    }
    if (has("last_event_id")) {
        const auto id = take_string(object, "last_event_id");
        if (!id) return std::unexpected(id.error());
        if (*id) request.last_event_id = parse_event_id(**id);
        const bool is_other =
            request.last_event_id && kind.type == Type::resume && request.last_event_id->turn_id != request.turn_id;
        if (*id && (!request.last_event_id || is_other))
            return wrong("'last_event_id' must be the id of an event of that turn, such as t_...:12.");
    }
    if (!object.empty())
        return wrong(fmt::format("Unknown field '{}' for the type '{}'.",
                                 base::cut_utf8(std::string_view(object.begin()->key()), 64), kind.name));
    return {};
}

Result<void> read_chat(json::object& object, SocketRequest& request) {
    const auto key = take_string(object, "idempotency_key");
    if (!key) return std::unexpected(key.error());
    auto chat = read_chat_request(object);
    if (!chat) return std::unexpected(chat.error());
    request.chat = *std::move(chat);
    request.chat.turn.stream = true;
    if (*key) return set_once_key(**key, object, request.chat.turn);
    return {};
}

}  // namespace

Result<SocketRequest> parse_socket_request(std::string_view text, std::string& request_id) {
    Result<json::value> value = base::parse_json(text);
    if (!value) return std::unexpected(value.error());
    if (!value->is_object()) return wrong("A message must be a JSON object, such as {\"type\": \"ping\"}.");
    json::object& object = value->get_object();

    auto id = take_string(object, "request_id");
    if (!id) return std::unexpected(id.error());
    const bool is_short = !*id || std::ranges::count_if(**id, [](char c) { return (c & 0xc0) != 0x80; }) <=
                                      static_cast<std::ptrdiff_t>(max_request_id_characters);
    if (!is_short) return wrong(fmt::format("'request_id' may have at most {} characters.", max_request_id_characters));
    request_id = id->value_or("");

    const auto type = take_string(object, "type");
    const Kind* kind = nullptr;
    if (type && *type) {
        const auto found = std::ranges::find(kinds, std::string_view(**type), &Kind::name);
        if (found != kinds.end()) kind = &*found;
    }
    if (!kind)
        return wrong("'type' must be \"chat\", \"subscribe\", \"unsubscribe\", \"resume\", \"cancel\" or \"ping\".");
    SocketRequest request{
        .type = kind->type, .request_id = request_id, .chat = {}, .session_id = {}, .turn_id = {}, .last_event_id = {}};
    const Result<void> read = kind->type == Type::chat ? read_chat(object, request) : read_ids(object, *kind, request);
    if (!read) return std::unexpected(read.error());
    return request;
}

}  // namespace tertulia::api
