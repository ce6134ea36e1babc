// A whole session service on one worker, over the memory store and a scripted provider.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/storage/memory_store.h"
#include "tests/support/fake_provider.h"

namespace tertulia::test {

inline base::Deadline soon() {
    return base::Deadline::after(std::chrono::seconds(30));
}

/// Its parts are a test's to look at and to script; the destructor waits for all turns.
struct TestService {
    explicit TestService(sessions::SessionSettings settings = {.default_model = "fake/m"},
                         sessions::TurnLogs::Settings log_settings = {}, std::vector<billing::BudgetRule> rules = {},
                         models::RetrySettings retry = {.attempts = 1})
        : logs(log_settings, base::system_clock()),
          resilience({.retry = retry, .retry_share = 1, .breaker = {.failures = 0}}),
          budgets(std::move(rules)),
          service({.store = store,
                   .registry = registry,
                   .logs = logs,
                   .keys = keys,
                   .checkpoints = checkpoints,
                   .spending = spending,
                   .models = models,
                   .limits = limits,
                   .resilience = resilience,
                   .tasks = worker.tasks(),
                   .executor = worker.executor(),
                   .clock = base::system_clock(),
                   .random = base::system_random(),
                   .log = log,
                   .metrics = metrics},
                  std::move(settings)) {
        auto fake = std::make_unique<FakeProvider>();
        provider = fake.get();
        models.add("fake", {.provider = std::move(fake)});
        worker.start("test");
    }
    ~TestService() {
        worker.run_until_done(drain());
        worker.join();
    }
    TestService(const TestService&) = delete;

    void run(const std::function<async::Task<void>()>& test) { worker.run_until_done(test()); }

    /// A gate that holds an answer back until the test wakes it.
    std::shared_ptr<async::Waiter> gate() { return async::Waiter::make(worker.executor()); }

    async::Worker worker{[](const std::string& what) { ADD_FAILURE() << what; }};
    storage::MemoryStore store;
    sessions::TurnRegistry registry{16};
    sessions::TurnLogs logs;
    sessions::IdempotencyKeys keys;
    models::ModelDirectory models;
    models::ModelLimits limits;
    models::Resilience resilience;
    telemetry::Log log{telemetry::Level::off, telemetry::Log::Form::json};
    telemetry::Metrics metrics;
    billing::Prices prices{base::system_clock()};
    billing::Budgets budgets;
    sessions::Spending spending{prices, budgets, store, base::system_clock()};
    sessions::Checkpoints checkpoints{{.store = store, .clock = base::system_clock(), .log = log, .metrics = metrics},
                                      {.interval = base::Milliseconds(0)}};
    FakeProvider* provider = nullptr;
    sessions::SessionService service;

    /// Waits until no turn is left.
    async::Task<void> drain() { co_await worker.tasks().join(soon()); }
};

}  // namespace tertulia::test
