// Invocations of Lambda functions.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/aws/service_client.h"
#include "tertulia/base/clock.h"

namespace tertulia::aws {

/// An asynchronous invocation (`Event`): Lambda keeps the payload and runs the function with it as soon as it can, at
/// least once. `function`: a name, with or without `:alias`, or an ARN. `trace_id`: what it belongs to
/// (`X-Amzn-Trace-Id`); empty: to nothing. Pure.
ServiceRequest invoke_request(std::string_view function, std::string payload, std::string_view trace_id = {});

/// Calls a function without waiting for what it does. Repeats the call where it may not have come through: so the
/// payload must be one that does no harm twice. One per worker.
class LambdaInvoker {
  public:
    /// `client`, of the service "lambda", outlives it.
    explicit LambdaInvoker(ServiceClient& client) : client_(client) {}

    async::Task<std::expected<void, ServiceError>> invoke(std::string function, std::string payload,
                                                          std::string trace_id, std::stop_token stop,
                                                          base::Deadline deadline);

  private:
    ServiceClient& client_;
};

}  // namespace tertulia::aws
