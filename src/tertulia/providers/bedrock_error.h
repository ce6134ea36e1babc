// From an error of Amazon Bedrock to a Failure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tertulia/aws/event_stream.h"
#include "tertulia/base/secret.h"
#include "tertulia/http/message.h"
#include "tertulia/models/provider.h"

namespace tertulia::providers {

/// The exception's name ("ThrottlingException") of an answer with an error status: from `x-amzn-errortype`, else from
/// the body's `__type`, without what may stand before a `#` and behind a `:`. Empty: it has none.
std::string bedrock_error_type(const http::Headers& headers, std::string_view body);

/// An answer with status 300 or more (Amazon Bedrock Runtime API, "Errors" of Converse and InvokeModel). The
/// exception's type counts, then the status. `key` (a bearer token, a session token) is made `***` in the message;
/// `wall_us` is the time now, for a Retry-After that is a date.
models::Failure bedrock_error(int status, const http::Headers& headers, std::string_view body, const base::Secret& key,
                              std::int64_t wall_us);

/// Is the message an exception or error instead of an event?
bool is_bedrock_exception(const aws::EventStreamMessage& message);

/// An exception or error inside an answer with status 200.
models::Failure bedrock_exception(const aws::EventStreamMessage& message, const base::Secret& key);

}  // namespace tertulia::providers
