#include "tertulia/lambda/socket_event.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "tertulia/base/base64.h"
#include "tertulia/base/utf8.h"

namespace tertulia::lambda {
namespace {

namespace json = boost::json;
using Type = SocketEvent::Type;

std::string_view text(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (!value || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

const json::object* member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_object() ? &value->get_object() : nullptr;
}

std::unexpected<base::Error> wrong(std::string_view what) {
    return base::fail(base::Errc::invalid_request, fmt::format("An event of a WebSocket API {}.", what));
}

base::Result<Type> type_of(const json::object& context) {
    const std::string_view type = text(context, "eventType");
    const std::string_view route = text(context, "routeKey");
    if (type == "CONNECT" || (type.empty() && route == "$connect")) return Type::connect;
    if (type == "DISCONNECT" || (type.empty() && route == "$disconnect")) return Type::disconnect;
    if (type == "MESSAGE" || (type.empty() && !route.empty())) return Type::message;
    return wrong("has no eventType that is known");
}

http::Request read_handshake(const json::object& event) {
    http::Request request;
    request.method = "GET";
    request.target = request.path = "/ws";
    if (const json::object* fields = member(event, "multiValueHeaders")) {
        for (const json::key_value_pair& field : *fields) {
            if (!field.value().is_array()) continue;
            for (const json::value& value : field.value().get_array())
                if (value.is_string()) request.headers.add(std::string(field.key()), std::string(value.get_string()));
        }
        return request;
    }
    if (const json::object* fields = member(event, "headers"))
        for (const json::key_value_pair& field : *fields)
            if (field.value().is_string())
                request.headers.add(std::string(field.key()), std::string(field.value().get_string()));
    return request;
}

base::Result<std::string> read_message(const json::object& event) {
    const json::value* is_encoded = event.if_contains("isBase64Encoded");
    std::string body(text(event, "body"));
    if (is_encoded && is_encoded->is_bool() && is_encoded->get_bool()) {
        auto bytes = base::decode_base64(body);
        if (!bytes) return wrong("has a body that is not base64");
        body = std::move(*bytes);
    }
    if (base::find_invalid_utf8(body) != std::string::npos) return wrong("has a message that is not text");
    return body;
}

}  // namespace

std::string write_address(const aws::GatewayStage& stage) {
    return fmt::format("{} {} {}", stage.domain, stage.api_id, stage.stage);
}

std::optional<aws::GatewayStage> read_address(std::string_view address) {
    const std::size_t first = address.find(' '), second = address.rfind(' ');
    if (first == second) return std::nullopt;
    return aws::GatewayStage{.domain = std::string(address.substr(0, first)),
                             .api_id = std::string(address.substr(first + 1, second - first - 1)),
                             .stage = std::string(address.substr(second + 1))};
}

base::Result<SocketEvent> read_socket_event(const json::object& event) {
    const json::object* context = member(event, "requestContext");
    if (!context) return wrong("has no requestContext");
    const auto type = type_of(*context);
    if (!type) return std::unexpected(type.error());
    SocketEvent read{.type = *type,
                     .client = {.connection_id = std::string(text(*context, "connectionId")),
                                .stage = {.domain = std::string(text(*context, "domainName")),
                                          .api_id = std::string(text(*context, "apiId")),
                                          .stage = std::string(text(*context, "stage"))}},
                     .handshake = {},
                     .message_id = {},
                     .message = {}};
    if (read.client.connection_id.empty()) return wrong("has no connectionId");
    if (*type == Type::connect) read.handshake = read_handshake(event);
    if (*type != Type::message) return read;
    read.message_id = text(*context, "messageId");
    auto message = read_message(event);
    if (!message) return std::unexpected(message.error());
    read.message = *std::move(message);
    return read;
}

}  // namespace tertulia::lambda
