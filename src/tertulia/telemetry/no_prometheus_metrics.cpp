// A build without prometheus-cpp (TERTULIA_PROMETHEUS=OFF).
#include "tertulia/telemetry/prometheus_metrics.h"

namespace tertulia::telemetry {
namespace {

/// Shared; safe from any thread.
class NoMetrics final : public Metrics {
  public:
    std::string render() const override { return "# This build counts nothing for Prometheus.\n"; }
};

}  // namespace

std::unique_ptr<Metrics> make_prometheus_metrics() {
    return std::make_unique<NoMetrics>();
}

}  // namespace tertulia::telemetry
