// The parts of a session service over a store of the test's choice, with a scripted provider.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/session_service.h"
#include "tests/support/fake_provider.h"

namespace tertulia::test {

/// What a process makes around its store and its worker, both of which outlive it. One per worker.
struct ServiceParts {
    struct Choices {
        sessions::SessionSettings settings = {.default_model = "fake/m"};
        sessions::TurnLogs::Settings logs = {};
        sessions::Checkpoints::Settings saving = {.interval = base::Milliseconds(0)};
        std::vector<billing::BudgetRule> rules = {};
        models::RetrySettings retry = {.attempts = 1};
        std::size_t most_waiting = 100;
    };
    ServiceParts(sessions::SessionStore& store, async::Worker& worker, Choices choices)
        : registry(choices.most_waiting),
          logs(choices.logs, base::system_clock()),
          resilience({.retry = choices.retry, .retry_share = 1, .breaker = {.failures = 0}}),
          budgets(std::move(choices.rules)),
          spending(prices, budgets, store, base::system_clock()),
          checkpoints({.store = store, .clock = base::system_clock(), .log = log, .metrics = metrics}, choices.saving),
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
                  std::move(choices.settings)) {
        auto fake = std::make_unique<FakeProvider>();
        provider = fake.get();
        models.add("fake", {.provider = std::move(fake)});
    }
    ServiceParts(const ServiceParts&) = delete;

    sessions::TurnRegistry registry;
    sessions::TurnLogs logs;
    sessions::IdempotencyKeys keys;
    models::ModelDirectory models;
    models::ModelLimits limits;
    models::Resilience resilience;
    telemetry::Log log{telemetry::Level::off, telemetry::Log::Form::json};
    telemetry::Metrics metrics;
    billing::Prices prices{base::system_clock()};
    billing::Budgets budgets;
    sessions::Spending spending;
    sessions::Checkpoints checkpoints;
    FakeProvider* provider = nullptr;
    sessions::SessionService service;
};

}  // namespace tertulia::test
