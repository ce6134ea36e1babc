#include "tertulia/telemetry/metrics.h"

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
    prometheus::Family<prometheus::Counter>& attempts = prometheus::BuildCounter()
                                                            .Name("tertulia_attempts_total")
                                                            .Help("Calls of models by outcome")
                                                            .Register(registry);
    prometheus::Family<prometheus::Counter>& decisions = prometheus::BuildCounter()
                                                             .Name("tertulia_decisions_total")
                                                             .Help("Retries, reroutes in mid-stream, and hedges")
                                                             .Register(registry);
    prometheus::Family<Histogram>& store_seconds = prometheus::BuildHistogram()
                                                       .Name("tertulia_store_seconds")
                                                       .Help("Time of a store operation, waiting included")
                                                       .Register(registry);
    prometheus::Family<prometheus::Counter>& store_errors = prometheus::BuildCounter()
                                                                .Name("tertulia_store_errors_total")
                                                                .Help("Store operations that failed")
                                                                .Register(registry);
    Counters kept_requests, kept_turns, kept_tokens, kept_attempts, kept_decisions, kept_store_errors;
    Histograms kept_request_seconds, kept_turn_seconds, kept_first_token, kept_store_seconds;
    std::mutex gauges_mutex;
    std::map<std::string, prometheus::Gauge*, std::less<>> gauges;
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::request(std::string_view route, std::string_view method, int status, double time) {
    const std::string code = std::to_string(status);
    const auto counter = [&]() -> auto& {
        return impl_->requests.Add({{"route", std::string(route)}, {"method", std::string(method)}, {"status", code}});
    };
    const auto histogram = [&]() -> auto& {
        return impl_->request_seconds.Add({{"route", std::string(route)}}, seconds);
    };
    impl_->kept_requests.find({route, method, code}, counter).Increment();
    impl_->kept_request_seconds.find({route}, histogram).Observe(time);
}

void Metrics::turn_began() {
    impl_->running.Increment();
}

void Metrics::turn_ended(std::string_view state, std::string_view provider, double time) {
    const auto counter = [&]() -> auto& {
        return impl_->turns.Add({{"state", std::string(state)}, {"provider", std::string(provider)}});
    };
    const auto histogram = [&]() -> auto& { return impl_->turn_seconds.Add({}, seconds); };
    impl_->running.Decrement();
    impl_->kept_turns.find({state, provider}, counter).Increment();
    impl_->kept_turn_seconds.find({}, histogram).Observe(time);
}

void Metrics::first_token(std::string_view provider, double time) {
    const auto histogram = [&]() -> auto& {
        return impl_->first_token.Add({{"provider", std::string(provider)}}, seconds);
    };
    impl_->kept_first_token.find({provider}, histogram).Observe(time);
}

void Metrics::tokens(std::string_view provider, std::string_view token_class, std::int64_t count) {
    if (count <= 0) return;
    const auto counter = [&]() -> auto& {
        return impl_->tokens.Add({{"provider", std::string(provider)}, {"class", std::string(token_class)}});
    };
    impl_->kept_tokens.find({provider, token_class}, counter).Increment(static_cast<double>(count));
}

void Metrics::attempt(std::string_view provider, std::string_view outcome) {
    const auto counter = [&]() -> auto& {
        return impl_->attempts.Add({{"provider", std::string(provider)}, {"outcome", std::string(outcome)}});
    };
    impl_->kept_attempts.find({provider, outcome}, counter).Increment();
}

void Metrics::decision(std::string_view decision, std::string_view detail) {
    const auto counter = [&]() -> auto& {
        return impl_->decisions.Add({{"decision", std::string(decision)}, {"detail", std::string(detail)}});
    };
    impl_->kept_decisions.find({decision, detail}, counter).Increment();
}

void Metrics::store(std::string_view operation, double time, bool failed) {
    const auto histogram = [&]() -> auto& {
        return impl_->store_seconds.Add({{"operation", std::string(operation)}}, seconds);
    };
    impl_->kept_store_seconds.find({operation}, histogram).Observe(time);
    if (!failed) return;
    const auto counter = [&]() -> auto& { return impl_->store_errors.Add({{"operation", std::string(operation)}}); };
    impl_->kept_store_errors.find({operation}, counter).Increment();
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
