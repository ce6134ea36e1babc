// From a callback on any thread to a co_await.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <utility>

#include "tertulia/async/task.h"

namespace tertulia::async {

/// Calls `start(done)` and waits until `done(value)` is called, exactly once and from any thread; gives the value. The
/// task goes on on its own worker, which is kept alive until then. Cannot be cancelled: whoever takes `done` must call
/// it.
template <class T>
Task<T> await_callback(std::move_only_function<void(std::move_only_function<void(T)>)> start) {
    const Executor executor = co_await this_executor;
    co_return co_await asio::async_initiate<const UseTask, void(T)>(
        [executor, &start](auto handler) {
            start([executor, work = asio::make_work_guard(executor), handler = std::move(handler)](T value) mutable {
                // The guard goes along: let go of here, on the caller's thread, it could outlive the worker.
                asio::post(executor, [work = std::move(work), handler = std::move(handler),
                                      value = std::move(value)]() mutable { std::move(handler)(std::move(value)); });
            });
        },
        use_task);
}

}  // namespace tertulia::async
