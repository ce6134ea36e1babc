// Answers as API Gateway and function URLs want them.
#pragma once

#include <cstddef>
#include <string>

#include "tertulia/http/message.h"
#include "tertulia/lambda/events.h"

namespace tertulia::lambda {

/// The most that Lambda takes as a buffered answer.
inline constexpr std::size_t max_answer_bytes = std::size_t(6) << 20;

/// The whole answer as JSON: status, header fields (`multiValueHeaders` for repeated ones of a REST API; joined by
/// commas, and `cookies`, for the others) and the body, in base64 where it is not UTF-8.
std::string answer_json(EventShape shape, const http::Response& response);

/// What goes before the body of a streamed answer: status and header fields as JSON, then eight NULs.
std::string answer_prelude(EventShape shape, const http::Response& response);

}  // namespace tertulia::lambda
