#include "tertulia/app/local_model.h"

#include "tertulia/async/waiter.h"
#include "tertulia/http/url.h"
#include "tertulia/providers/local_server.h"

namespace tertulia::app {
namespace {

constexpr std::chrono::milliseconds between_questions{250};
constexpr std::chrono::seconds patience{5};

}  // namespace

async::Task<void> watch_local_model(const Config& config, http::Client& client, models::ModelLimits& limits,
                                    models::Readiness& readiness, const telemetry::Log& log, std::stop_token stop) {
    const Config::LocalModel& local = config.local_model;
    const std::string name = "local/" + local.name;
    const base::SteadyTime began = std::chrono::steady_clock::now();
    const auto pause = async::Waiter::make(co_await async::this_executor);
    const auto health_url = http::parse_url(local.health_url);  // the configuration has checked both
    const auto base_url = http::parse_url(local.base_url);
    while (health_url && !stop.stop_requested()) {
        const auto healthy = co_await providers::is_healthy(client, *health_url, base::Deadline::after(patience));
        if (healthy && *healthy) break;
        co_await pause->wait(base::Deadline::after(between_questions));
    }
    if (stop.stop_requested()) co_return;
    if (local.context_window > 0) {
        limits.set_window(name, local.context_window);
    } else if (base_url) {
        const auto window = co_await providers::ask_context_window(client, *base_url, base::Deadline::after(patience));
        if (window) limits.set_window(name, *window);
    }
    readiness.set_ready();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    log.info("local model ready", {{"model", name},
                                   {"context_window", limits.limits(name, local.name).context_window},
                                   {"seconds", took.count()}});
}

}  // namespace tertulia::app
