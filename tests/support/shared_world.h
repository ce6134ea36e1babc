// Several processes on one store, each with a session service of its own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tertulia/async/worker.h"
#include "tertulia/sessions/session_service.h"
#include "tests/support/fake_provider.h"
#include "tests/support/shared_store.h"
#include "tests/support/test_service.h"

namespace tertulia::test {

/// One process: everything but the store, and the worker that all of them run on, is its own.
struct Process {
    Process(SharedTable& table, async::Worker& worker, sessions::Checkpoints::Settings saving)
        : store(table, worker.executor()),
          checkpoints({.store = store, .clock = base::system_clock(), .log = log, .metrics = metrics}, saving),
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
                  {.default_model = "fake/m", .look_again = base::Milliseconds(5)}) {
        auto fake = std::make_unique<FakeProvider>();
        provider = fake.get();
        models.add("fake", {.provider = std::move(fake)});
    }
    Process(const Process&) = delete;

    SharedStore store;
    sessions::TurnRegistry registry{100};
    sessions::TurnLogs logs{{}, base::system_clock()};
    sessions::IdempotencyKeys keys;
    models::ModelDirectory models;
    models::ModelLimits limits;
    models::Resilience resilience{{.retry = {.attempts = 1}, .retry_share = 1, .breaker = {.failures = 0}}};
    telemetry::Log log{telemetry::Level::off, telemetry::Log::Form::json};
    telemetry::Metrics metrics;
    billing::Prices prices{base::system_clock()};
    billing::Budgets budgets{std::vector<billing::BudgetRule>()};
    sessions::Spending spending{prices, budgets, store, base::system_clock()};
    sessions::Checkpoints checkpoints;
    FakeProvider* provider = nullptr;
    sessions::SessionService service;
};

/// All of them, on one worker, with checkpoints where `saving` says so. The destructor waits for all turns.
class SharedWorld {
  public:
    explicit SharedWorld(int processes = 2,
                         sessions::Checkpoints::Settings saving = {.interval = base::Milliseconds(0)}) {
        for (int i = 0; i < processes; ++i) processes_.push_back(std::make_unique<Process>(table, worker, saving));
        worker.start("test");
        if (saving.interval.count() == 0) return;
        run([this]() -> async::Task<void> {
            for (const auto& process : processes_) worker.tasks().spawn(process->checkpoints.run(worker.executor()));
            co_return;
        });
    }
    ~SharedWorld() {
        run([this]() -> async::Task<void> {
            for (const auto& process : processes_) process->store.thaw();
            for (const auto& process : processes_) process->checkpoints.stop();
            EXPECT_TRUE(co_await worker.tasks().join(soon())) << "a task is left";
        });
        worker.join();
    }
    SharedWorld(const SharedWorld&) = delete;

    Process& operator[](std::size_t which) { return *processes_[which]; }
    std::size_t size() const { return processes_.size(); }
    void run(const std::function<async::Task<void>()>& test) { worker.run_until_done(test()); }
    std::shared_ptr<async::Waiter> gate() { return async::Waiter::make(worker.executor()); }
    /// For the others' looks at the store, and for tasks under way.
    async::Task<void> a_moment() { co_await gate()->wait(base::Deadline::after(base::Milliseconds(20))); }

    async::Worker worker{[](const std::string& what) { ADD_FAILURE() << what; }};
    SharedTable table;

  private:
    std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace tertulia::test
