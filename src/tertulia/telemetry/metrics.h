// What the server counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::telemetry {

/// How a turn ended. Views. Value.
struct EndedTurn {
    /// `completed`, `failed`, `cancelled`, `interrupted`, or `refused` where it never started.
    std::string_view state;
    /// The provider's name; `none` where none was asked.
    std::string_view provider;
    /// `provider/model`; empty: none.
    std::string_view model = {};
    double seconds = 0;
    /// From the turn's beginning; nothing: no step of an answer came.
    std::optional<double> first_token_seconds = {};
    std::int64_t input = 0, cache_read = 0, cache_write = 0, output = 0, reasoning = 0;  ///< tokens
    /// Nano-dollars; nothing: no price is known.
    std::optional<std::int64_t> cost_nano = {};
    /// The error's code where it did not complete.
    std::string_view code = {};
    std::string_view session_id = {}, turn_id = {}, request_id = {};
};

/// Counts nothing; what counts somewhere overrides it (prometheus_metrics.h, emf_metrics.h). Labels have few values:
/// never a session or a user. Shared; safe from any thread.
class Metrics {
  public:
    Metrics() = default;
    virtual ~Metrics() = default;
    Metrics(const Metrics&) = delete;

    /// `route`: the pattern.
    virtual void request(std::string_view route, std::string_view method, int status, double seconds) {}
    virtual void turn_began() {}
    virtual void turn_ended(const EndedTurn& turn) {}
    /// A model was asked by itself, in no session: `completed` or `failed`, from its first call to its end.
    virtual void call_ended(const EndedTurn& call) {}
    /// A model's first step of an answer, from its call on.
    virtual void first_token(std::string_view provider, double seconds) {}
    /// Every call of a model; outcome `ok`, `cancelled` or an error's code.
    virtual void attempt(std::string_view provider, std::string_view outcome) {}
    /// What was decided: `retry` (detail: the provider), `reroute` (the code of the failure in mid-stream), `hedge`
    /// (`started`, or `won` by the second).
    virtual void decision(std::string_view decision, std::string_view detail) {}
    virtual void store(std::string_view operation, double seconds, bool failed) {}
    /// Set by the owner of the figure, every few seconds.
    virtual void set_gauge(std::string_view name, std::string_view help, double value) {}

    /// What `GET /metrics` answers: the text format of Prometheus (version 0.0.4).
    virtual std::string render() const { return {}; }
};

}  // namespace tertulia::telemetry
