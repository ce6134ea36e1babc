#include "tertulia/lambda/events.h"

#include <fmt/format.h>

#include <optional>
#include <vector>

#include "tertulia/base/base64.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/percent.h"

namespace tertulia::lambda {
namespace {

namespace json = boost::json;

const json::object* object_at(const json::object& parent, std::string_view name) {
    const json::value* found = parent.if_contains(name);
    return found ? found->if_object() : nullptr;
}

std::string_view text_at(const json::object& parent, std::string_view name) {
    const json::value* found = parent.if_contains(name);
    const json::string* text = found ? found->if_string() : nullptr;
    return text ? std::string_view(*text) : std::string_view();
}

std::unexpected<base::Error> malformed(std::string_view what) {
    return base::fail(base::Errc::invalid_request, fmt::format("The event cannot be read: {}.", what));
}

// What RFC 3986 lets stand in a path as it is, beside what is unreserved.
constexpr std::string_view path_marks = "/!$&'()*+,;=:@";
constexpr std::string_view query_marks = "/?!$'()*,;:@";

// Some fronts decode the path before they hand it on, and some do not: what could not stand in a request's line was
// decoded.
std::string encoded_path(std::string_view path) {
    std::string as_it_is = http::percent_encode(path, "/!$&'()*+,;=:@%");
    if (as_it_is == path && http::percent_decode(path)) return as_it_is;
    return http::percent_encode(path, path_marks);
}

// `/{proxy+}` with what its parameters were: the path beneath the API. Nothing: the template does not say.
std::optional<std::string> fill_template(std::string_view path, const json::object* parameters) {
    std::string filled;
    while (!path.empty()) {
        const std::size_t open = std::min(path.find('{'), path.size());
        filled += path.substr(0, open);
        path.remove_prefix(open);
        if (path.empty()) break;
        const std::size_t close = path.find('}');
        if (close == std::string_view::npos || !parameters) return std::nullopt;
        std::string_view name = path.substr(1, close - 1);
        if (name.ends_with('+')) name.remove_suffix(1);
        const std::string_view value = text_at(*parameters, name);
        if (value.empty()) return std::nullopt;
        filled += value;
        path.remove_prefix(close + 1);
    }
    return filled;
}

// Takes off `path` what stands before the path beneath the API, where the event tells: the stage, or the mapping of a
// custom domain.
std::string beneath_the_api(std::string path, std::string_view resource, const json::object& event,
                            std::string_view stage) {
    const auto beneath = fill_template(resource, object_at(event, "pathParameters"));
    if (beneath && beneath->starts_with('/') && *beneath != "/") {
        for (const std::string& ending : {encoded_path(*beneath), *beneath})
            if (path.size() > ending.size() && path.ends_with(ending)) return ending;
        if (path == encoded_path(*beneath) || path == *beneath) return path;
    }
    const std::string prefix = "/" + std::string(stage);
    if (stage.empty() || stage == "$default" || !path.starts_with(prefix)) return path;
    if (path.size() == prefix.size()) return "/";
    return path[prefix.size()] == '/' ? path.substr(prefix.size()) : path;
}

void add_header(http::Request& request, std::string_view name, std::string_view value) {
    if (http::is_token(name) && http::is_field_value(value)) request.headers.add(std::string(name), std::string(value));
}

void read_headers(const json::object& event, http::Request& request) {
    const json::object* all = object_at(event, "multiValueHeaders");
    if (all) {
        for (const auto& [name, values] : *all) {
            const json::array* several = values.if_array();
            if (!several) continue;
            for (const json::value& value : *several)
                if (const json::string* text = value.if_string()) add_header(request, name, *text);
        }
    }
    if (const json::object* single = object_at(event, "headers")) {
        for (const auto& [name, value] : *single)
            if (const json::string* text = value.if_string(); text && !(all && all->contains(name)))
                add_header(request, name, *text);
    }
    const json::value* cookies = event.if_contains("cookies");
    std::string cookie;
    if (const json::array* several = cookies ? cookies->if_array() : nullptr) {
        for (const json::value& one : *several)
            if (const json::string* text = one.if_string()) cookie += (cookie.empty() ? "" : "; ") + std::string(*text);
    }
    if (!cookie.empty() && !request.headers.find("cookie")) add_header(request, "cookie", cookie);
}

void add_parameter(std::string& query, std::string_view name, std::string_view value) {
    if (!query.empty()) query += '&';
    query += http::percent_encode(name, query_marks) + "=" + http::percent_encode(value, query_marks);
}

// Of a REST API, which decodes names and values.
std::string read_query(const json::object& event) {
    std::string query;
    if (const json::object* all = object_at(event, "multiValueQueryStringParameters")) {
        for (const auto& [name, values] : *all) {
            const json::array* several = values.if_array();
            if (!several) continue;
            for (const json::value& value : *several)
                if (const json::string* text = value.if_string()) add_parameter(query, name, *text);
        }
    } else if (const json::object* single = object_at(event, "queryStringParameters")) {
        for (const auto& [name, value] : *single)
            if (const json::string* text = value.if_string()) add_parameter(query, name, *text);
    }
    return query;
}

base::Result<std::string> read_body(const json::object& event) {
    const std::string_view body = text_at(event, "body");
    const json::value* encoded = event.if_contains("isBase64Encoded");
    if (!encoded || !encoded->is_bool() || !encoded->get_bool()) return std::string(body);
    auto bytes = base::decode_base64(body);
    if (!bytes) return malformed("its body is not base64");
    return std::move(*bytes);
}

// A query may hold what is no query's, from a front that decodes: it is encoded again.
std::string encoded_query(std::string_view query) {
    return http::percent_encode(query, "/?!$&'()*+,;=:@%[]|");
}

}  // namespace

std::string_view to_string(EventShape shape) {
    switch (shape) {
        case EventShape::rest:
            return "rest";
        case EventShape::http:
            return "http";
        case EventShape::websocket:
            return "websocket";
        case EventShape::direct:
            return "direct";
        case EventShape::unknown:
            break;
    }
    return "unknown";
}

EventShape event_shape(const json::value& event) {
    const json::object* object = event.if_object();
    if (!object) return EventShape::unknown;
    for (const std::string_view of_authorizers : {"methodArn", "routeArn", "authorizationToken"})
        if (object->contains(of_authorizers)) return EventShape::unknown;
    const json::object* context = object_at(*object, "requestContext");
    if (context && !text_at(*context, "connectionId").empty()) return EventShape::websocket;
    if (context && text_at(*object, "version") == "2.0" && object_at(*context, "http")) return EventShape::http;
    if (context && !text_at(*object, "httpMethod").empty() && !text_at(*object, "resource").empty())
        return EventShape::rest;
    return text_at(*object, "kind").empty() ? EventShape::unknown : EventShape::direct;
}

bool is_function_url(const json::object& event) {
    const json::object* context = object_at(event, "requestContext");
    return context && text_at(*context, "domainName").find(".lambda-url.") != std::string_view::npos;
}

std::int64_t gateway_time_ms(const json::object& event) {
    const json::object* context = object_at(event, "requestContext");
    for (const std::string_view name : {"requestTimeEpoch", "timeEpoch"}) {
        const json::value* time = context ? context->if_contains(name) : nullptr;
        if (time && time->is_int64()) return time->get_int64();
    }
    return 0;
}

base::Result<http::Request> read_http_event(EventShape shape, const json::object& event) {
    const json::object* context = object_at(event, "requestContext");
    if (!context) return malformed("it has no requestContext");
    http::Request request;
    std::string path, query;
    std::string_view resource;
    if (shape == EventShape::rest) {
        request.method = text_at(event, "httpMethod");
        path = encoded_path(text_at(event, "path"));
        query = read_query(event);
        resource = text_at(event, "resource");
    } else {
        const json::object* http = object_at(*context, "http");
        if (!http) return malformed("it has no requestContext.http");
        request.method = text_at(*http, "method");
        path = encoded_path(text_at(event, "rawPath"));
        query = encoded_query(text_at(event, "rawQueryString"));
        const std::string_view route = text_at(event, "routeKey");  // "POST /chat"
        if (const std::size_t space = route.find(' '); space != std::string_view::npos)
            resource = route.substr(space + 1);
    }
    if (!http::is_token(request.method)) return malformed("it has no method");
    if (!path.starts_with('/')) return malformed("its path does not begin with a slash");
    path = beneath_the_api(std::move(path), resource, event, text_at(*context, "stage"));
    const auto decoded = http::percent_decode(path);
    if (!decoded) return malformed("its path holds NUL");
    request.path = *decoded;
    request.target = path + (query.empty() ? "" : "?" + query);
    read_headers(event, request);
    auto body = read_body(event);
    if (!body) return std::unexpected(body.error());
    request.body = std::move(*body);
    return request;
}

}  // namespace tertulia::lambda
