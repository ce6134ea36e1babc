// One thread with one event loop.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "tertulia/async/task.h"
#include "tertulia/async/task_group.h"

namespace tertulia::async {

/// A thread with its own io_context (epoll). What is made on a worker stays there; other threads reach it by
/// `asio::post(worker.executor(), ...)`. `start`, `run_until_done` and `join` are for the thread that owns the worker.
class Worker {
  public:
    explicit Worker(std::function<void(const std::string& what)> on_bug);
    ~Worker();
    Worker(const Worker&) = delete;

    Executor executor() { return context_.get_executor(); }
    asio::io_context& context() { return context_; }
    TaskGroup& tasks() { return tasks_; }

    /// Starts the thread (called `name` in ps and top).
    void start(const std::string& name);

    /// Runs `task` on the worker and waits for it here, on another thread. Exceptions come out here.
    void run_until_done(Task<void> task);

    /// Lets the loop end when nothing is left to do, and joins the thread.
    void join();

  private:
    // Other threads may post to it; sockets and timers are used by its own thread alone, so they need no locks.
    asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO};
    std::optional<asio::executor_work_guard<Executor>> work_;
    TaskGroup tasks_;
    std::thread thread_;
};

}  // namespace tertulia::async
