// The start of a task that nobody awaits.
#pragma once

#include <exception>
#include <functional>

#include "tertulia/async/task.h"

namespace tertulia::async {

/// Runs `task` on `executor`: at once where this thread is its worker. `on_end` is called there when it has ended, with
/// the exception that left it, if any, and must not throw. Where its event loop is destroyed before, so is the task.
/// Safe from any thread.
void spawn(Executor executor, Task<void> task, std::move_only_function<void(std::exception_ptr)> on_end);

}  // namespace tertulia::async
