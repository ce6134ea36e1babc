#include "tertulia/telemetry/prometheus_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

namespace tertulia::telemetry {
namespace {

using prometheus::Histogram;

// From a local store's fraction of a millisecond to a long answer.
const Histogram::BucketBoundaries seconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                          0.5,    1,     2.5,    5,     10,   30,    60,   120, 300};

/// A family's metrics by their labels' values. The library's own look-up makes a map, strings and (for a histogram) a
/// new metric each time, a tenth of a turn's time together. Shared; safe from any thread.
template <class Metric>
class Kept {
  public:
    /// `make()` adds the metric to its family; it is called the first time only.
    template <class Make>
    Metric& find(std::initializer_list<std::string_view> labels, Make make) {
        thread_local std::string key;
        key.clear();
        for (const std::string_view label : labels) key.append(label).push_back('\n');
        const std::lock_guard lock(mutex_);
        Metric*& kept = metrics_[key];
        if (kept == nullptr) kept = &make();
        return *kept;
    }

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, Metric*> metrics_;
};

using Counters = Kept<prometheus::Counter>;
using Histograms = Kept<Histogram>;

/// Shared; safe from any thread.
class PrometheusMetrics final : public Metrics {
  public:
    void request(std::string_view route, std::string_view method, int status, double time) override;
    void turn_began() override { running_.Increment(); }
    void turn_ended(const EndedTurn& turn) override;
    void call_ended(const EndedTurn& call) override;
    void first_token(std::string_view provider, double time) override;
    void attempt(std::string_view provider, std::string_view outcome) override;
    void decision(std::string_view decision, std::string_view detail) override;
    void store(std::string_view operation, double time, bool failed) override;
    void set_gauge(std::string_view name, std::string_view help, double value) override;
    std::string render() const override { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  private:
    void tokens(std::string_view provider, std::string_view token_class, std::int64_t count);

    prometheus::Registry registry_;
    prometheus::Family<prometheus::Counter>& requests_ = prometheus::BuildCounter()
                                                             .Name("tertulia_http_requests_total")
                                                             .Help("HTTP requests answered")
                                                             .Register(registry_);
    prometheus::Family<Histogram>& request_seconds_ = prometheus::BuildHistogram()
                                                          .Name("tertulia_http_request_seconds")
                                                          .Help("Time to answer a request")
                                                          .Register(registry_);
    prometheus::Family<prometheus::Counter>& turns_ =
        prometheus::BuildCounter().Name("tertulia_turns_total").Help("Turns by end").Register(registry_);
    prometheus::Family<Histogram>& turn_seconds_ =
        prometheus::BuildHistogram().Name("tertulia_turn_seconds").Help("Time of a whole turn").Register(registry_);
    prometheus::Gauge& running_ = prometheus::BuildGauge()
                                      .Name("tertulia_turns_running")
                                      .Help("Turns that run or wait")
                                      .Register(registry_)
                                      .Add({});
    prometheus::Family<Histogram>& first_token_ = prometheus::BuildHistogram()
                                                      .Name("tertulia_first_token_seconds")
                                                      .Help("Time to the first step of an answer")
                                                      .Register(registry_);
    prometheus::Family<prometheus::Counter>& tokens_ = prometheus::BuildCounter()
                                                           .Name("tertulia_tokens_total")
                                                           .Help("Tokens by class, as reported or estimated")
                                                           .Register(registry_);
    prometheus::Family<prometheus::Counter>& attempts_ = prometheus::BuildCounter()
                                                             .Name("tertulia_attempts_total")
                                                             .Help("Calls of models by outcome")
                                                             .Register(registry_);
    prometheus::Family<prometheus::Counter>& decisions_ = prometheus::BuildCounter()
                                                              .Name("tertulia_decisions_total")
                                                              .Help("Retries, reroutes in mid-stream, and hedges")
                                                              .Register(registry_);
    prometheus::Family<Histogram>& store_seconds_ = prometheus::BuildHistogram()
                                                        .Name("tertulia_store_seconds")
                                                        .Help("Time of a store operation, waiting included")
                                                        .Register(registry_);
    prometheus::Family<prometheus::Counter>& store_errors_ = prometheus::BuildCounter()
                                                                 .Name("tertulia_store_errors_total")
                                                                 .Help("Store operations that failed")
                                                                 .Register(registry_);
    Counters kept_requests_, kept_turns_, kept_tokens_, kept_attempts_, kept_decisions_, kept_store_errors_;
    Histograms kept_request_seconds_, kept_turn_seconds_, kept_first_token_, kept_store_seconds_;
    std::mutex gauges_mutex_;
    std::map<std::string, prometheus::Gauge*, std::less<>> gauges_;
};

void PrometheusMetrics::request(std::string_view route, std::string_view method, int status, double time) {
    const std::string code = std::to_string(status);
    const auto counter = [&]() -> auto& {
        return requests_.Add({{"route", std::string(route)}, {"method", std::string(method)}, {"status", code}});
    };
    const auto histogram = [&]() -> auto& { return request_seconds_.Add({{"route", std::string(route)}}, seconds); };
    kept_requests_.find({route, method, code}, counter).Increment();
    kept_request_seconds_.find({route}, histogram).Observe(time);
}

void PrometheusMetrics::turn_ended(const EndedTurn& turn) {
    const auto counter = [&]() -> auto& {
        return turns_.Add({{"state", std::string(turn.state)}, {"provider", std::string(turn.provider)}});
    };
    const auto histogram = [&]() -> auto& { return turn_seconds_.Add({}, seconds); };
    running_.Decrement();
    kept_turns_.find({turn.state, turn.provider}, counter).Increment();
    kept_turn_seconds_.find({}, histogram).Observe(turn.seconds);
    call_ended(turn);
}

void PrometheusMetrics::call_ended(const EndedTurn& call) {
    tokens(call.provider, "input", call.input);
    tokens(call.provider, "cache_read", call.cache_read);
    tokens(call.provider, "cache_write", call.cache_write);
    tokens(call.provider, "output", call.output);
    tokens(call.provider, "reasoning", call.reasoning);
}

void PrometheusMetrics::first_token(std::string_view provider, double time) {
    const auto histogram = [&]() -> auto& { return first_token_.Add({{"provider", std::string(provider)}}, seconds); };
    kept_first_token_.find({provider}, histogram).Observe(time);
}

void PrometheusMetrics::tokens(std::string_view provider, std::string_view token_class, std::int64_t count) {
    if (count <= 0) return;
    const auto counter = [&]() -> auto& {
        return tokens_.Add({{"provider", std::string(provider)}, {"class", std::string(token_class)}});
    };
    kept_tokens_.find({provider, token_class}, counter).Increment(static_cast<double>(count));
}

void PrometheusMetrics::attempt(std::string_view provider, std::string_view outcome) {
    const auto counter = [&]() -> auto& {
        return attempts_.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}});
    };
    kept_attempts_.find({provider, outcome}, counter).Increment();
}

void PrometheusMetrics::decision(std::string_view decision, std::string_view detail) {
    const auto counter = [&]() -> auto& {
        return decisions_.Add({{"decision", std::string(decision)}, {"detail", std::string(detail)}});
    };
    kept_decisions_.find({decision, detail}, counter).Increment();
}

void PrometheusMetrics::store(std::string_view operation, double time, bool failed) {
    const auto histogram = [&]() -> auto& {
        return store_seconds_.Add({{"operation", std::string(operation)}}, seconds);
    };
    kept_store_seconds_.find({operation}, histogram).Observe(time);
    if (!failed) return;
    const auto counter = [&]() -> auto& { return store_errors_.Add({{"operation", std::string(operation)}}); };
    kept_store_errors_.find({operation}, counter).Increment();
}

void PrometheusMetrics::set_gauge(std::string_view name, std::string_view help, double value) {
    const std::lock_guard lock(gauges_mutex_);
    auto found = gauges_.find(name);
    if (found == gauges_.end()) {
        auto& gauge =
            prometheus::BuildGauge().Name(std::string(name)).Help(std::string(help)).Register(registry_).Add({});
        found = gauges_.emplace(std::string(name), &gauge).first;
    }
    found->second->Set(value);
}

}  // namespace

std::unique_ptr<Metrics> make_prometheus_metrics() {
    return std::make_unique<PrometheusMetrics>();
}

}  // namespace tertulia::telemetry
