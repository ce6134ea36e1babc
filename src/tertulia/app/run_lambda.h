// The program as a Lambda function: the process from its start to its end.
#pragma once

#include "tertulia/base/environment.h"

namespace tertulia::app {

/// Is this process the bootstrap of a Lambda function (`AWS_LAMBDA_RUNTIME_API`)?
bool is_lambda(const base::Environment& environment);

/// Answers invocations until SIGTERM; the exit code (0: ended as asked; 1: the configuration is impossible, which
/// Lambda is told, or the sandbox is done for). Logs JSON to standard error, and writes one line of metrics for each
/// turn to standard output (telemetry/emf_metrics.h).
int run_lambda(const base::Environment& environment);

}  // namespace tertulia::app
