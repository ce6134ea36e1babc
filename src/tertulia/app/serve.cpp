#include "tertulia/app/serve.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tertulia/app/application.h"
#include "tertulia/app/process.h"
#include "tertulia/telemetry/prometheus_metrics.h"

namespace tertulia::app {
namespace {

using namespace std::chrono_literals;

constexpr int exit_refused = 1;
// Answers that are complete but not yet with their clients, and turns that were told to end, get this long.
constexpr base::Milliseconds last_answers = 3s;

constexpr base::Milliseconds between_gauges = 2s;

// What the second signal does: whatever still goes on is found as interrupted at the next start.
[[noreturn]] void end_at_once() {
    std::_Exit(exit_refused);
}

// Waits until no turn is left or `limit` has passed.
bool wait_for_turns(Application& application, StopSignals& signals, base::Milliseconds limit) {
    const base::Deadline deadline = base::Deadline::after(limit);
    while (application.turns() > 0) {
        if (deadline.passed(std::chrono::steady_clock::now())) return false;
        if (signals.wait(10ms)) end_at_once();
    }
    return true;
}

}  // namespace

int serve(const LoadedConfig& loaded) {
    const Config& config = loaded.config;
    StopSignals signals;
    ignore_write_signals();
    raise_open_file_limit();
    const telemetry::Log log(telemetry::parse_level(config.log_level).value_or(telemetry::Level::info),
                             isatty(STDERR_FILENO) ? telemetry::Log::Form::readable : telemetry::Log::Form::json);
    if (auto servable = check_servable(config); !servable) {
        fmt::print(stderr, "tertulia: {}\n", servable.error().message);
        return exit_refused;
    }

    // Not on the stack: where a task will not end, nothing that it refers to may be destroyed.
    const auto metrics = telemetry::make_prometheus_metrics();
    auto application =
        std::make_unique<Application>(loaded, log, *metrics, base::system_clock(), base::system_random());
    if (auto started = application->start(); !started) {
        fmt::print(stderr, "tertulia: {}\n", started.error().message);
        application->close();
        if (!application->stop(base::Deadline::after(last_answers))) end_at_once();
        return exit_refused;
    }
    fmt::print("listening on http://{}\n", application->address());
    std::fflush(stdout);

    std::optional<int> signal;
    while (!signal) {
        application->publish_gauges();
        signal = signals.wait(between_gauges);
    }
    log.info("stopping", {{"signal", *signal}, {"turns", application->turns()}});
    application->close();
    if (!wait_for_turns(*application, signals, config.shutdown_grace)) {
        log.warn("turns are cut by the end of the server", {{"turns", application->turns()}});
        application->stop_turns();
        wait_for_turns(*application, signals, last_answers);
    }
    const bool all_ended = application->stop(base::Deadline::after(last_answers));
    log.info("stopped", {{"clean", all_ended}});
    if (!all_ended) std::_Exit(0);
    return 0;
}

}  // namespace tertulia::app
