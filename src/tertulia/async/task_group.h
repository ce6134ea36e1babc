// The owner of tasks that outlive the scope that started them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/async/waiter.h"

namespace tertulia::async {

/// Runs tasks on one worker and knows when all of them have ended. An exception that leaves a task is a bug (expected
/// outcomes are values): it is given to `on_bug`. One per worker.
class TaskGroup {
  public:
    TaskGroup(Executor executor, std::function<void(const std::string& what)> on_bug)
        : executor_(executor), on_bug_(std::move(on_bug)), idle_(Waiter::make(executor)) {}
    /// The group must be empty by then: co_await join().
    ~TaskGroup() = default;
    TaskGroup(const TaskGroup&) = delete;

    /// Starts `task`; it holds what it needs by value or outlived by the group. On the worker only.
    void spawn(Task<void> task);

    /// Tasks that have not ended yet.
    std::size_t size() const { return running_; }

    /// Waits until no task is left, or the deadline.
    Task<bool> join(base::Deadline deadline);

  private:
    Executor executor_;
    std::function<void(const std::string&)> on_bug_;
    std::shared_ptr<Waiter> idle_;
    std::size_t running_ = 0;
};

}  // namespace tertulia::async
