// The coroutine type of everything that waits.
#pragma once

#include <coroutine>
#include <utility>

#include "tertulia/async/promise.h"
#include "tertulia/async/use_task.h"

namespace tertulia::async {

/// A lazily started coroutine on a worker: `co_await` runs it there and gives its result, or throws what it threw; a
/// first one is started by `spawn`. Reference parameters must outlive it: pass values to anything that is spawned,
/// references only where the caller awaits at once.
///
/// Our own, not asio::awaitable, whose frames are larger, take one more for every operation, and cost more to enter.
template <class T = void>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::Promise<T>;

    Task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    Task(Task&& other) noexcept : frame_(std::exchange(other.frame_, {})) {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (frame_) frame_.destroy();
    }

    struct Awaiter {
        std::coroutine_handle<promise_type> frame;

        bool await_ready() const noexcept { return false; }
        template <class AnyPromise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<AnyPromise> awaiting) const noexcept {
            frame.promise().await_from(awaiting, awaiting.promise().chain());
            return frame;
        }
        // The result stays in its frame until the end of the full expression: `take(co_await read())` needs no place
        // for it in the awaiting frame.
        decltype(auto) await_resume() const { return frame.promise().result(); }
    };
    Awaiter operator co_await() && noexcept { return {frame_}; }

  private:
    std::coroutine_handle<promise_type> frame_;
};

/// `co_await this_executor`: the executor that the awaiting task runs on.
struct ThisExecutor {
    struct Awaiter {
        const detail::Chain* chain = nullptr;
        bool await_ready() const noexcept { return false; }
        template <class AnyPromise>
        bool await_suspend(std::coroutine_handle<AnyPromise> awaiting) noexcept {
            chain = awaiting.promise().chain();
            return false;
        }
        Executor await_resume() const noexcept { return chain->executor; }
    };
    Awaiter operator co_await() const noexcept { return {}; }
};
inline constexpr ThisExecutor this_executor;

}  // namespace tertulia::async
