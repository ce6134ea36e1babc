#include "tertulia/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <string>

namespace tertulia::telemetry {
namespace {

using prometheus::Histogram;

// From a local store's fraction of a millisecond to a long answer.
const Histogram::BucketBoundaries seconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                          0.5,    1,     2.5,    5,     10,   30,    60,   120, 300};

}  // namespace

struct Metrics::Impl {
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                                            .Name("tertulia_http_requests_total")
                                                            .Help("HTTP requests answered")
                                                            .Register(registry);
    prometheus::Family<Histogram>& request_seconds = prometheus::BuildHistogram()
                                                         .Name("tertulia_http_request_seconds")
                                                         .Help("Time to answer a request")
                                                         .Register(registry);
    prometheus::Family<prometheus::Counter>& turns =
        prometheus::BuildCounter().Name("tertulia_turns_total").Help("Turns by end").Register(registry);
    prometheus::Family<Histogram>& turn_seconds =
        prometheus::BuildHistogram().Name("tertulia_turn_seconds").Help("Time of a whole turn").Register(registry);
    prometheus::Gauge& running = prometheus::BuildGauge()
                                     .Name("tertulia_turns_running")
                                     .Help("Turns that run or wait")
                                     .Register(registry)
                                     .Add({});
    prometheus::Family<Histogram>& first_token = prometheus::BuildHistogram()
                                                     .Name("tertulia_first_token_seconds")
                                                     .Help("Time to the first step of an answer")
                                                     .Register(registry);
    prometheus::Family<prometheus::Counter>& tokens = prometheus::BuildCounter()
                                                          .Name("tertulia_tokens_total")
                                                          .Help("Tokens by class, as reported or estimated")
                                                          .Register(registry);
    prometheus::Family<Histogram>& store_seconds = prometheus::BuildHistogram()
                                                       .Name("tertulia_store_seconds")
                                                       .Help("Time of a store operation, waiting included")
                                                       .Register(registry);
    prometheus::Family<prometheus::Counter>& store_errors = prometheus::BuildCounter()
                                                                .Name("tertulia_store_errors_total")
                                                                .Help("Store operations that failed")
                                                                .Register(registry);
    std::mutex gauges_mutex;
    std::map<std::string, prometheus::Gauge*, std::less<>> gauges;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::request(std::string_view route, std::string_view method, int status, double time) {
    const std::string name(route);
    impl_->requests.Add({{"route", name}, {"method", std::string(method)}, {"status", std::to_string(status)}})
        .Increment();
    impl_->request_seconds.Add({{"route", name}}, seconds).Observe(time);
}

void Metrics::turn_began() {
    impl_->running.Increment();
}

void Metrics::turn_ended(std::string_view state, std::string_view provider, double time) {
    impl_->running.Decrement();
    impl_->turns.Add({{"state", std::string(state)}, {"provider", std::string(provider)}}).Increment();
    impl_->turn_seconds.Add({}, seconds).Observe(time);
}

void Metrics::first_token(std::string_view provider, double time) {
    impl_->first_token.Add({{"provider", std::string(provider)}}, seconds).Observe(time);
}

void Metrics::tokens(std::string_view provider, std::string_view token_class, std::int64_t count) {
    if (count > 0)
        impl_->tokens.Add({{"provider", std::string(provider)}, {"class", std::string(token_class)}})
            .Increment(static_cast<double>(count));
}

void Metrics::store(std::string_view operation, double time, bool failed) {
    const std::string name(operation);
    impl_->store_seconds.Add({{"operation", name}}, seconds).Observe(time);
    if (failed) impl_->store_errors.Add({{"operation", name}}).Increment();
}

void Metrics::set_gauge(std::string_view name, std::string_view help, double value) {
    const std::lock_guard lock(impl_->gauges_mutex);
    auto found = impl_->gauges.find(name);
    if (found == impl_->gauges.end()) {
        auto& gauge =
            prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(impl_->registry).Add({});
        found = impl_->gauges.emplace(std::string(name), &gauge).first;
    }
    found->second->Set(value);
}

std::string Metrics::render() const {
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace tertulia::telemetry
