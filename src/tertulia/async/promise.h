// What lies under the coroutines of task.h.
#pragma once

#include <boost/asio/io_context.hpp>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include "tertulia/async/frame_memory.h"

namespace tertulia::async {

namespace asio = boost::asio;

/// The concrete executor of a worker: one thread, one io_context. `any_io_executor` costs a virtual call and an
/// allocation here and there on the hot path, so it is not used.
using Executor = asio::io_context::executor_type;

namespace detail {

/// A spawned task and all that it awaits, each frame owned by the one that awaits it. They wait for one thing at a
/// time.
struct Chain {
    Executor executor;
    std::coroutine_handle<> first;
};

/// Whoever will resume a chain owns it: what is never resumed (its event loop went away) is destroyed from its first
/// frame on.
struct DestroyChain {
    void operator()(Chain* chain) const { chain->first.destroy(); }
};
using OwnedChain = std::unique_ptr<Chain, DestroyChain>;

class PromiseBase {
  public:
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
        struct GoOnWithAwaiting {
            std::coroutine_handle<> awaiting;
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return awaiting; }
            void await_resume() const noexcept {}
        };
        return GoOnWithAwaiting{awaiting_};
    }
    void unhandled_exception() noexcept { exception_ = std::current_exception(); }

    void await_from(std::coroutine_handle<> awaiting, Chain* chain) {
        awaiting_ = awaiting;
        chain_ = chain;
    }
    Chain* chain() const { return chain_; }
    /// The frame that goes on when this one has ended.
    std::coroutine_handle<> awaiting() const { return awaiting_; }

  protected:
    void rethrow() {
        if (exception_) std::rethrow_exception(std::move(exception_));
    }

  private:
    std::coroutine_handle<> awaiting_;
    Chain* chain_ = nullptr;
    std::exception_ptr exception_;
};

template <class T>
class Promise : public PromiseBase {
  public:
    // Not inline: clang would put the frames of awaited tasks into those of their callers, side by side, though only
    // one of them is there at a time. Frames that come from a free list cost less than that memory.
    [[gnu::noinline]] auto get_return_object() { return std::coroutine_handle<Promise>::from_promise(*this); }
    template <class Value = T>
    void return_value(Value&& value) {
        value_.emplace(std::forward<Value>(value));
    }
    T&& result() {
        rethrow();
        return std::move(*value_);
    }

  private:
    std::optional<T> value_;
};

template <>
class Promise<void> : public PromiseBase {
  public:
    [[gnu::noinline]] auto get_return_object() { return std::coroutine_handle<Promise>::from_promise(*this); }
    void return_void() const noexcept {}
    void result() { rethrow(); }
};

}  // namespace detail
}  // namespace tertulia::async
