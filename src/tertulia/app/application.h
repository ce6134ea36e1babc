// The composition root.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "tertulia/app/config_loader.h"
#include "tertulia/app/worker_set.h"

namespace tertulia::app {

/// Owns all parts of a server: wires them first, starts them second, stops them in reverse. For the main thread.
class Application {
  public:
    /// `loaded`, `log`, `metrics`, `clock` and `random` outlive it.
    Application(const LoadedConfig& loaded, const telemetry::Log& log, telemetry::Metrics& metrics,
                const base::Clock& clock, base::Random& random);
    ~Application();
    Application(const Application&) = delete;

    /// Opens the store, closes turns that a crash has left running, and listens. After success every worker accepts. An
    /// error's message is for the operator.
    base::Result<void> start();
    /// The same, but the one worker answers Lambda's invocations in the place of connections (`api`: the address of the
    /// Runtime API). `ended`: called on the worker when there will be no more (false: because something is broken).
    base::Result<void> start_lambda(std::string_view api, std::function<void(bool is_well)> ended);

    /// `HOST:PORT` (after `start`).
    const std::string& address() const { return address_; }

    /// Brings the metrics that are states, not counts, up to date.
    void publish_gauges();

    /// No new connections and no new turns.
    void close();
    /// How many turns run or wait.
    std::size_t turns() const { return registry_.size(); }
    /// Ends all turns; each is stored as interrupted.
    void stop_turns() { registry_.stop_all(sessions::TurnState::interrupted); }
    /// Until none runs or waits. False: some still do at `deadline`.
    bool wait_for_turns(base::Deadline deadline);
    /// Ends the rest; `deadline` is for answers on their way. False: something hangs, and the process should just exit.
    bool stop(base::Deadline deadline);

  private:
    base::Result<void> open_store();
    base::Result<void> open_billing();
    base::Result<void> make_workers();
    base::Result<void> prepare();
    base::Result<void> begin_work();
    base::Result<void> listen();
    void log_start() const;

    const LoadedConfig& loaded_;
    const Config& config_;
    const telemetry::Log& log_;
    telemetry::Metrics& metrics_;
    const base::Clock& clock_;
    base::Random& random_;
    models::ModelLimits limits_;
    models::Resilience resilience_;
    models::Readiness local_readiness_;
    sessions::TurnRegistry registry_;
    aws::CredentialState credentials_;
    ProviderKeys provider_keys_;
    sessions::TurnLogs logs_;
    sessions::IdempotencyKeys keys_;
    std::unique_ptr<billing::Prices> prices_;
    billing::Budgets budgets_;
    std::unique_ptr<sessions::SessionStore> store_;
    std::optional<sessions::Spending> spending_;
    std::unique_ptr<sessions::Checkpoints> checkpoints_;
    std::shared_ptr<base::MemoryCeiling> content_memory_;
    std::vector<std::unique_ptr<WorkerSet>> workers_;
    std::stop_source stop_local_model_;
    std::string address_;
};

}  // namespace tertulia::app
