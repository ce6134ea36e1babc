// Several processes on one store, each with a session service of its own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tertulia/async/worker.h"
#include "tests/support/service_parts.h"
#include "tests/support/shared_store.h"
#include "tests/support/test_service.h"

namespace tertulia::test {

/// The store as one process sees it.
struct ProcessGround {
    SharedStore store;
};

/// One process: everything but what is behind its store, and the worker that all of them run on, is its own.
struct Process : ProcessGround, ServiceParts {
    Process(SharedTable& table, async::Worker& worker, std::vector<billing::BudgetRule> rules,
            sessions::Checkpoints::Settings saving)
        : ProcessGround{.store = SharedStore(table, worker.executor())},
          ServiceParts(store, worker,
                       {.settings = {.default_model = "fake/m", .look_again = base::Milliseconds(5)},
                        .saving = saving,
                        .rules = std::move(rules)}) {}
};

/// All of them, on one worker, with checkpoints where `saving` says so. The destructor waits for all turns.
class SharedWorld {
  public:
    explicit SharedWorld(int processes = 2, const std::vector<billing::BudgetRule>& rules = {},
                         sessions::Checkpoints::Settings saving = {.interval = base::Milliseconds(0)}) {
        for (int i = 0; i < processes; ++i)
            processes_.push_back(std::make_unique<Process>(table, worker, rules, saving));
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
