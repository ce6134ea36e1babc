#include "tertulia/app/application.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "tertulia/app/billing_config.h"
#include "tertulia/app/local_model.h"
#include "tertulia/storage/open_store.h"

namespace tertulia::app {
namespace {

models::Resilience::Settings resilience_settings(const Config& config) {
    return {.retry = {.attempts = config.retry.attempts, .base = config.retry.base, .max = config.retry.max},
            .retry_share = config.retry.budget,
            .breaker = {.failures = config.breaker.failures, .probe = config.breaker.probe}};
}

}  // namespace

Application::Application(const LoadedConfig& loaded, const telemetry::Log& log, telemetry::Metrics& metrics,
                         const base::Clock& clock, base::Random& random)
    : loaded_(loaded),
      config_(loaded.config),
      log_(log),
      metrics_(metrics),
      clock_(clock),
      random_(random),
      resilience_(resilience_settings(config_)),
      registry_(static_cast<std::size_t>(config_.limits.queue_per_session),
                static_cast<std::size_t>(config_.limits.turns)),
      provider_keys_(clock),
      logs_({.max_bytes = config_.limits.log_bytes, .keep = config_.limits.keep_log}, clock),
      budgets_(budget_rules(config_)) {}

Application::~Application() = default;

base::Result<void> Application::start() {
    if (auto done = prepare(); !done) return done;
    return listen();
}

base::Result<void> Application::start_lambda(std::string_view api, std::function<void(bool is_well)> ended) {
    if (auto done = prepare(); !done) return done;
    if (auto done = begin_work(); !done) return done;
    const lambda::FrontSettings front{.is_streaming = config_.lambda.response == "streaming",
                                      .margin = config_.lambda.margin,
                                      .front_limit = config_.lambda.front_limit};
    auto started = workers_.front()->start_lambda(api, front, [this] { logs_.sweep(); }, std::move(ended));
    if (started) log_start();
    return started;
}

base::Result<void> Application::prepare() {
    for (const ModelConfig& model : config_.models) limits_.set_window(model.name, model.context_window);
    if (auto done = open_billing(); !done) return done;
    if (auto done = open_store(); !done) return done;
    return make_workers();
}

base::Result<void> Application::open_billing() {
    auto prices = billing::Prices::open(price_options(config_, log_), clock_);
    if (!prices) return std::unexpected(prices.error());
    prices_ = std::move(*prices);
    return {};
}

base::Result<void> Application::open_store() {
    auto store = storage::open_store(
        config_.store, log_, [&prices = *prices_](billing::Bill bill) { return prices.priced(std::move(bill)); },
        loaded_.environment, clock_, random_);
    if (!store) return std::unexpected(store.error());
    store_ = std::move(*store);
    spending_.emplace(*prices_, budgets_, *store_, clock_);
    checkpoints_ = std::make_unique<sessions::Checkpoints>(
        sessions::Checkpoints::Parts{.store = *store_, .clock = clock_, .log = log_, .metrics = metrics_},
        sessions::Checkpoints::Settings{
            .interval = config_.checkpoints.interval.value_or(sessions::Checkpoints::usual_interval(*store_)),
            .bytes = static_cast<std::size_t>(config_.checkpoints.bytes)});
    return {};
}

base::Result<void> Application::make_workers() {
    content_memory_ =
        std::make_shared<base::MemoryCeiling>(static_cast<std::size_t>(config_.limits.content_memory_bytes));
    const SharedParts shared{.config = config_,
                             .environment = loaded_.environment,
                             .credentials = credentials_,
                             .provider_keys = provider_keys_,
                             .store = *store_,
                             .registry = registry_,
                             .logs = logs_,
                             .keys = keys_,
                             .checkpoints = *checkpoints_,
                             .spending = *spending_,
                             .limits = limits_,
                             .resilience = resilience_,
                             .local_readiness = local_readiness_,
                             .clock = clock_,
                             .random = random_,
                             .log = log_,
                             .metrics = metrics_,
                             .content_memory = content_memory_};
    for (std::int64_t i = 0; i < config_.workers; ++i) {
        workers_.push_back(std::make_unique<WorkerSet>(shared));
        if (auto done = workers_.back()->add_providers(); !done) return done;
    }
    return {};
}

base::Result<void> Application::listen() {
    const auto address = parse_listen(config_.listen);  // the configuration has checked it
    const auto endpoint = http::probe_listen(address->host, address->port);
    if (!endpoint) return std::unexpected(endpoint.error());
    if (auto begun = begin_work(); !begun) return begun;
    for (const auto& worker : workers_) {
        if (auto listening = worker->listen(*endpoint); !listening) return listening;
    }
    const std::string host = endpoint->address().is_v6() ? fmt::format("[{}]", endpoint->address().to_string())
                                                         : endpoint->address().to_string();
    address_ = fmt::format("{}:{}", host, endpoint->port());
    log_start();
    return {};
}

base::Result<void> Application::begin_work() {
    for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->start(static_cast<int>(i));

    base::Result<std::int64_t> interrupted = 0;
    async::Worker& first = workers_.front()->worker();
    first.run_until_done(
        [](sessions::SessionStore& store, std::int64_t now, base::Result<std::int64_t>& closed) -> async::Task<void> {
            closed = co_await store.close_interrupted(now);
        }(*store_, clock_.wall_us(), interrupted));
    if (!interrupted) return std::unexpected(interrupted.error());
    if (*interrupted > 0)
        log_.warn("turns found that a crash had cut; closed as interrupted", {{"turns", *interrupted}});

    boost::asio::post(first.executor(), [this, &first] { first.tasks().spawn(checkpoints_->run(first.executor())); });
    if (!config_.local_model.base_url.empty()) {
        if (!config_.local_model.health_url.empty()) local_readiness_.set_waiting("the local model loads");
        boost::asio::post(first.executor(), [this, &first] {
            first.tasks().spawn(watch_local_model(config_, workers_.front()->client(), limits_, local_readiness_, log_,
                                                  stop_local_model_.get_token()));
        });
    }
    return {};
}

// What an operator wants to know of a server that has just started; never a key.
void Application::log_start() const {
    for (const std::string& warning : loaded_.warnings) log_.warn("configuration", {{"warning", warning}});
    for (const ProviderConfig& provider : config_.providers) {
        log_.info("provider", {{"name", provider.name},
                               {"kind", provider.kind},
                               {"base_url", provider.base_url.substr(0, provider.base_url.find('?'))},
                               {"has_key", !provider.api_key.empty()}});
    }
    const std::size_t slash = config_.model.find('/');
    const std::string id = slash == std::string::npos ? config_.model : config_.model.substr(slash + 1);
    const models::Limits window = limits_.limits(config_.model, id);
    log_.info("started", {{"version", TERTULIA_VERSION},
                          {"listen", address_},
                          {"store", config_.store},
                          {"default_model", config_.model},
                          {"context_window", window.context_window},
                          {"context_window_known", window.known},
                          {"workers", config_.workers}});
}

void Application::publish_gauges() {
    logs_.sweep();
    prices_->table();  // looks whether its file has changed
    metrics_.set_gauge("tertulia_turn_log_bytes", "Memory of the events of turns that run or have just ended",
                       static_cast<double>(logs_.bytes()));
    metrics_.set_gauge("tertulia_content_bytes", "Bodies with content that arrive, wait or are asked with",
                       static_cast<double>(content_memory_ ? content_memory_->used() : 0));
    double open_breakers = 0;
    resilience_.breakers.each([&open_breakers](std::string_view, bool open) { open_breakers += open ? 1 : 0; });
    metrics_.set_gauge("tertulia_breakers_open", "Providers that are passed over because they fail", open_breakers);
    WorkerSet::Connections all;
    for (const auto& worker : workers_) {
        const WorkerSet::Connections counted = worker->connections();
        all.clients += counted.clients;
        all.idle_upstream += counted.idle_upstream;
    }
    metrics_.set_gauge("tertulia_connections", "Connections of clients", static_cast<double>(all.clients));
    metrics_.set_gauge("tertulia_upstream_idle_connections", "Connections to providers that wait in the pools",
                       static_cast<double>(all.idle_upstream));
    metrics_.set_gauge("tertulia_turns_claimed", "Turns that run or wait for their session",
                       static_cast<double>(registry_.size()));
}

void Application::close() {
    registry_.close();
    stop_local_model_.request_stop();
    for (const auto& worker : workers_) worker->stop_accepting();
}

bool Application::wait_for_turns(base::Deadline deadline) {
    async::Worker& first = workers_.front()->worker();
    first.run_until_done([](sessions::TurnRegistry& registry, const base::Clock& clock, async::Executor executor,
                            base::Deadline deadline) -> async::Task<void> {
        const auto ended = async::Waiter::make(executor);
        registry.watch(ended);
        while (registry.size() > 0 && !deadline.passed(clock.steady())) co_await ended->wait(deadline);
    }(registry_, clock_, first.executor(), deadline));
    return registry_.size() == 0;
}

bool Application::stop(base::Deadline deadline) {
    if (checkpoints_) checkpoints_->stop();
    bool all = true;
    for (const auto& worker : workers_) all = worker->stop(deadline) && all;
    if (!all) return false;  // a task that will not end still refers to the store; what was acknowledged is on the disk
    workers_.clear();
    store_.reset();  // after the last turn; with its destructor everything is on the disk and the lock is given up
    return true;
}

}  // namespace tertulia::app
