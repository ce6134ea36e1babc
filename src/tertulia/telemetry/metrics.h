// What the server counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tertulia::telemetry {

/// Counters and histograms for Prometheus, names beginning with `tertulia_`. Labels have few values: never a session or
/// a user. Shared; safe from any thread.
class Metrics {
  public:
    Metrics();
    ~Metrics();
    Metrics(const Metrics&) = delete;

    /// tertulia_http_requests_total{route,method,status}, tertulia_http_request_seconds{route}. `route`: the pattern.
    /// Model ids come from clients and are no labels.
    void request(std::string_view route, std::string_view method, int status, double seconds);
    /// tertulia_turns_total{state,provider}, tertulia_turn_seconds, tertulia_turns_running.
    void turn_began();
    void turn_ended(std::string_view state, std::string_view provider, double seconds);
    /// tertulia_first_token_seconds{provider}.
    void first_token(std::string_view provider, double seconds);
    /// tertulia_tokens_total{provider,class}.
    void tokens(std::string_view provider, std::string_view token_class, std::int64_t count);
    /// tertulia_attempts_total{provider,outcome}: every call of a model; outcome `ok`, `cancelled` or an error's code.
    void attempt(std::string_view provider, std::string_view outcome);
    /// What was decided: tertulia_decisions_total{decision,detail}: `retry` (detail: the provider), `reroute` (the code
    /// of the failure in mid-stream), `hedge` (`started`, or `won` by the second).
    void decision(std::string_view decision, std::string_view detail);
    /// tertulia_store_seconds{operation}, tertulia_store_errors_total{operation}.
    void store(std::string_view operation, double seconds, bool failed);
    /// A gauge read anew at each scrape ("tertulia_connections"); set by the owner of the figure.
    void set_gauge(std::string_view name, std::string_view help, double value);

    /// The text format (version 0.0.4).
    std::string render() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace tertulia::telemetry
