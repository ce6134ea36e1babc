#include "tertulia/async/spawn.h"

#include <boost/asio/dispatch.hpp>

namespace tertulia::async {
namespace {

// The first coroutine of a chain: it owns itself.
struct Spawned {
    struct promise_type {
        detail::Chain whole;

        static void* operator new(std::size_t size) { return allocate_frame(size); }
        static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

        promise_type(Executor executor, Task<void>&, std::move_only_function<void(std::exception_ptr)>&)
            : whole{executor, std::coroutine_handle<promise_type>::from_promise(*this)} {}
        detail::Chain* chain() { return &whole; }

        Spawned get_return_object() { return {&whole}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
    detail::Chain* chain;
};

Spawned run(Executor, Task<void> task, std::move_only_function<void(std::exception_ptr)> on_end) {
    std::exception_ptr exception;
    try {
        co_await std::move(task);
    } catch (...) {
        exception = std::current_exception();
    }
    on_end(std::move(exception));
}

}  // namespace

void spawn(Executor executor, Task<void> task, std::move_only_function<void(std::exception_ptr)> on_end) {
    detail::OwnedChain chain(run(executor, std::move(task), std::move(on_end)).chain);
    asio::dispatch(executor, [chain = std::move(chain)]() mutable { chain.release()->first.resume(); });
}

}  // namespace tertulia::async
