// Invocations of the function by itself.
#pragma once

#include <optional>
#include <string>

#include "tertulia/async/task.h"
#include "tertulia/aws/lambda_invoker.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/lambda/self_invocation.h"

namespace tertulia::lambda {

/// Has work done by an invocation of its own, here or in another sandbox. One per worker.
class SelfInvoker {
  public:
    /// `config`: of the service "lambda". `function`: this one's name or ARN, or that of its twin with more time. The
    /// rest outlives this.
    SelfInvoker(http::Client& client, aws::CredentialCache& credentials, const base::Clock& clock, base::Random& random,
                aws::ServiceConfig config, std::string function)
        : service_(client, credentials, clock, random, std::move(config)), function_(std::move(function)) {}

    /// Errors: as ServiceError, with a message for the operator.
    async::Task<base::Result<void>> invoke(SelfInvocation work, base::Deadline deadline);

  private:
    aws::ServiceClient service_;
    aws::LambdaInvoker lambda_{service_};
    const std::string function_;
};

}  // namespace tertulia::lambda
