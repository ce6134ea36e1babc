#include "tertulia/async/ready.h"

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

namespace tertulia::async {
namespace {

void go_on(OwnedTask task) {
    static_cast<void>(task.chain.release());  // the resumed coroutine has it again
    task.task.resume();
}

// Tasks that wake each other without end must not keep the event loop from looking for what has come.
constexpr std::size_t most_at_once = 256;

struct Tasks {
    std::vector<OwnedTask> ready;
    bool is_open = false;
};
thread_local Tasks tasks;

void post(OwnedTask task) {
    const Executor executor = task.chain->executor;
    asio::post(executor, [task = std::move(task)]() mutable {
        const ReadyTasks::Scope scope;
        go_on(std::move(task));
    });
}

}  // namespace

ReadyTasks::Scope::Scope() : is_outermost_(!std::exchange(tasks.is_open, true)) {}

ReadyTasks::Scope::~Scope() {
    if (!is_outermost_) return;
    for (std::size_t i = 0; i < tasks.ready.size(); ++i) {
        OwnedTask task = std::exchange(tasks.ready[i], {});  // others may be added
        if (i < most_at_once)
            go_on(std::move(task));
        else
            post(std::move(task));
    }
    tasks.ready.clear();
    tasks.is_open = false;
}

void ReadyTasks::add(OwnedTask task) {
    if (tasks.is_open)
        tasks.ready.push_back(std::move(task));
    else
        post(std::move(task));
}

}  // namespace tertulia::async
