// What the server counts, for Prometheus.
#pragma once

#include <memory>

#include "tertulia/telemetry/metrics.h"

namespace tertulia::telemetry {

/// Counters and histograms that are read with `render`, names beginning with `tertulia_`:
///
///     http_requests_total{route,method,status}  http_request_seconds{route}
///     turns_total{state,provider}  turn_seconds  turns_running  first_token_seconds{provider}
///     tokens_total{provider,class}  attempts_total{provider,outcome}  decisions_total{decision,detail}
///     store_seconds{operation}  store_errors_total{operation}  and the gauges
///
/// Model ids come from clients and are no labels. Built without prometheus-cpp (TERTULIA_PROMETHEUS=OFF) it counts
/// nothing and says so.
std::unique_ptr<Metrics> make_prometheus_metrics();

}  // namespace tertulia::telemetry
