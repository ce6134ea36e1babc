#include "tertulia/app/run_lambda.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "tertulia/app/application.h"
#include "tertulia/app/config_loader.h"
#include "tertulia/app/process.h"
#include "tertulia/lambda/runtime_client.h"
#include "tertulia/telemetry/emf_metrics.h"

namespace tertulia::app {
namespace {

using namespace std::chrono_literals;

constexpr int exit_broken = 1;
// Lambda gives a function with an internal extension 500 ms between SIGTERM and SIGKILL.
constexpr base::Milliseconds last_turns = 300ms;
constexpr base::Milliseconds last_answers = 100ms;
constexpr auto until_a_signal = 24h;

// Of what the configuration names: a client can ask for any model, and each one would be a metric of its own.
std::vector<std::string> known_models(const Config& config) {
    std::vector<std::string> models{config.model};
    for (const ModelConfig& model : config.models) models.push_back(model.name);
    for (const RouteConfig& route : config.routes)
        models.insert(models.end(), route.targets.begin(), route.targets.end());
    return models;
}

// Lambda's own setting of the function, where ours says nothing.
std::string_view level_of(std::string_view aws) {
    if (aws == "TRACE" || aws == "DEBUG") return "debug";
    if (aws == "WARN") return "warn";
    return aws == "ERROR" || aws == "FATAL" ? "error" : "info";
}

base::Result<LoadedConfig> load(const base::Environment& environment) {
    auto loaded = load_config({}, environment);
    if (!loaded) return loaded;
    loaded->config.workers = 1;
    // There is no socket that others could reach: the front checks who asks (docs/lambda.md), and a request's Host is
    // whatever its address is called.
    loaded->config.insecure = true;
    if (loaded->sources["log_level"] == "default")
        loaded->config.log_level = level_of(base::variable(environment, "AWS_LAMBDA_LOG_LEVEL"));
    if (auto servable = check_servable(loaded->config); !servable) return std::unexpected(servable.error());
    return loaded;
}

// Lambda shows it to whoever deploys.
void fail_init(std::string_view api, const telemetry::Log& log, const base::Error& error) {
    log.error("cannot start", {{"reason", error.message}});
    async::Worker worker([](const std::string&) {});
    worker.start("init-error");
    {
        http::Client client(worker.executor());
        if (auto runtime = lambda::RuntimeClient::make(client, base::system_clock(), api))
            worker.run_until_done(runtime->fail_init({.type = "Runtime.InitError", .message = error.message}));
    }
    worker.join();
}

}  // namespace

bool is_lambda(const base::Environment& environment) {
    return !base::variable(environment, "AWS_LAMBDA_RUNTIME_API").empty();
}

int run_lambda(const base::Environment& environment) {
    StopSignals signals;
    ignore_write_signals();
    raise_open_file_limit();
    const std::string api(base::variable(environment, "AWS_LAMBDA_RUNTIME_API"));
    const auto loaded = load(environment);
    const telemetry::Log log(loaded ? telemetry::parse_level(loaded->config.log_level).value_or(telemetry::Level::info)
                                    : telemetry::Level::info,
                             telemetry::Log::Form::json);
    if (!loaded) {
        fail_init(api, log, loaded.error());
        return exit_broken;
    }
    const auto metrics = telemetry::make_emf_metrics(known_models(loaded->config), base::system_clock());
    auto application =
        std::make_unique<Application>(*loaded, log, *metrics, base::system_clock(), base::system_random());
    std::atomic<bool> is_well = true;
    const auto started = application->start_lambda(api, [&is_well](bool well) {
        is_well = well;
        ::kill(::getpid(), SIGTERM);
    });
    if (!started) {
        fail_init(api, log, started.error());
        std::_Exit(exit_broken);
    }
    while (!signals.wait(until_a_signal)) {
    }
    application->close();
    application->stop_turns();
    application->wait_for_turns(base::Deadline::after(last_turns));
    const bool all_ended = application->stop(base::Deadline::after(last_answers));
    log.info("stopped", {{"clean", all_ended && is_well}});
    if (!all_ended) std::_Exit(is_well ? 0 : exit_broken);
    return is_well ? 0 : exit_broken;
}

}  // namespace tertulia::app
