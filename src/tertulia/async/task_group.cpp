#include "tertulia/async/task_group.h"

#include <exception>

#include "tertulia/async/spawn.h"

namespace tertulia::async {

void TaskGroup::spawn(Task<void> task) {
    ++running_;
    async::spawn(executor_, std::move(task), [this](std::exception_ptr exception) {
        if (exception) {
            try {
                std::rethrow_exception(exception);
            } catch (const std::exception& e) {
                on_bug_(e.what());
            } catch (...) {
                on_bug_("an exception of an unknown type");
            }
        }
        if (--running_ == 0) idle_->wake();
    });
}

Task<bool> TaskGroup::join(base::Deadline deadline) {
    while (running_ > 0 && !deadline.passed(std::chrono::steady_clock::now())) co_await idle_->wait(deadline);
    co_return running_ == 0;
}

}  // namespace tertulia::async
