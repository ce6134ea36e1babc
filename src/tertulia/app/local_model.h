// The local model's server: is it ready, and how much fits.
#pragma once

#include <stop_token>

#include "tertulia/app/config.h"
#include "tertulia/async/task.h"
#include "tertulia/http/client.h"
#include "tertulia/models/model_limits.h"
#include "tertulia/models/readiness.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::app {

/// Asks the server's health address until it answers 200, then for its window (unless the configuration says it), and
/// sets `readiness` ready. Ends early once `stop` is requested (looked at every quarter of a second). `config` and what
/// else is referred to outlive the task.
async::Task<void> watch_local_model(const Config& config, http::Client& client, models::ModelLimits& limits,
                                    models::Readiness& readiness, const telemetry::Log& log, std::stop_token stop);

}  // namespace tertulia::app
