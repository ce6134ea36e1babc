#include "tertulia/async/worker.h"

#include <pthread.h>

#include "tertulia/async/spawn.h"

namespace tertulia::async {

Worker::Worker(std::function<void(const std::string&)> on_bug)
    : work_(context_.get_executor()), tasks_(context_.get_executor(), std::move(on_bug)) {}

Worker::~Worker() {
    if (!thread_.joinable()) return;
    context_.stop();
    thread_.join();
}

void Worker::start(const std::string& name) {
    thread_ = std::thread([this, name] {
        pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
        context_.run();
    });
}

void Worker::run_until_done(Task<void> task) {
    std::promise<void> done;
    spawn(executor(), std::move(task), [&done](std::exception_ptr exception) {
        if (exception)
            done.set_exception(exception);
        else
            done.set_value();
    });
    done.get_future().get();
}

void Worker::join() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
}

}  // namespace tertulia::async
