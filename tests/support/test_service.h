// A whole session service on one worker, over the memory store and a scripted provider.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tertulia/async/worker.h"
#include "tertulia/storage/memory_store.h"
#include "tests/support/service_parts.h"

namespace tertulia::test {

inline base::Deadline soon() {
    return base::Deadline::after(std::chrono::seconds(30));
}

/// The store and the worker, which the parts stand on.
struct TestGround {
    async::Worker worker{[](const std::string& what) { ADD_FAILURE() << what; }};
    storage::MemoryStore store;
};

/// Its parts are a test's to look at and to script; the destructor waits for all turns.
struct TestService : TestGround, ServiceParts {
    explicit TestService(sessions::SessionSettings settings = {.default_model = "fake/m"},
                         sessions::TurnLogs::Settings log_settings = {}, std::vector<billing::BudgetRule> rules = {},
                         models::RetrySettings retry = {.attempts = 1})
        : ServiceParts(store, worker,
                       {.settings = std::move(settings),
                        .logs = log_settings,
                        .rules = std::move(rules),
                        .retry = retry,
                        .most_waiting = 16}) {
        worker.start("test");
    }
    ~TestService() {
        worker.run_until_done(drain());
        worker.join();
    }

    void run(const std::function<async::Task<void>()>& test) { worker.run_until_done(test()); }

    /// A gate that holds an answer back until the test wakes it.
    std::shared_ptr<async::Waiter> gate() { return async::Waiter::make(worker.executor()); }

    /// Waits until no turn is left.
    async::Task<void> drain() { co_await worker.tasks().join(soon()); }
};

}  // namespace tertulia::test
