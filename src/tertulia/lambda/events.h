// What an event is, told by its shape.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::lambda {

/// Who sends events of this shape, and what they expect to be answered.
enum class EventShape : std::uint8_t {
    rest,       ///< API Gateway's REST API, and an HTTP API with payload format 1.0
    http,       ///< an HTTP API with payload format 2.0, and function URLs
    websocket,  ///< API Gateway's WebSocket API
    direct,     ///< Step Functions and other callers: the event says its `kind`
    unknown,
};
std::string_view to_string(EventShape shape);

/// An authorizer's events are unknown, though they look like those that they are asked about.
EventShape event_shape(const boost::json::value& event);

/// Is it a function URL that sends this event (of shape `http`)? Behind it nobody else waits with a limit of its own.
bool is_function_url(const boost::json::object& event);

/// When the gateway got the request, in milliseconds since 1970; 0: the event does not say.
std::int64_t gateway_time_ms(const boost::json::object& event);

/// An HTTP request in an event (shape `rest` or `http`), as the HTTP server would have read it: the stage's prefix, or
/// that of a custom domain's mapping, is taken off its path; the body is decoded; all values of a repeated header or
/// parameter are there. invalid_request: the event lacks a part, or a part is not what it should be.
base::Result<http::Request> read_http_event(EventShape shape, const boost::json::object& event);

}  // namespace tertulia::lambda
