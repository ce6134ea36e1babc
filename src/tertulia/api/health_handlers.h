// What machines ask about the server: is it alive, is it ready, what has it counted, what is its API.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/models/readiness.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::api {

/// One per worker.
class HealthHandlers {
  public:
    HealthHandlers(const models::Readiness& readiness, const telemetry::Metrics& metrics)
        : readiness_(readiness), metrics_(metrics) {}

    /// `GET /healthz`: 200 as long as the process serves.
    async::Task<void> healthz(http::Request& request, http::ResponseWriter& writer);
    /// `GET /readyz`: 503, with what it waits for, while turns wait for the local model.
    async::Task<void> readyz(http::Request& request, http::ResponseWriter& writer);
    /// `GET /metrics`: Prometheus' text format.
    async::Task<void> metrics(http::Request& request, http::ResponseWriter& writer);
    /// `GET /openapi.json`
    async::Task<void> openapi(http::Request& request, http::ResponseWriter& writer);

  private:
    const models::Readiness& readiness_;
    const telemetry::Metrics& metrics_;
};

}  // namespace tertulia::api
