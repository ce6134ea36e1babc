// From an asynchronous operation of Asio to a co_await.
#pragma once

#include <boost/asio/async_result.hpp>
#include <tuple>
#include <type_traits>

#include "tertulia/async/promise.h"

namespace tertulia::async {

/// A completion token: `co_await socket.async_wait(Socket::wait_read, use_task)` gives what the operation's handler
/// would get: nothing, a value (an error_code, as a rule; it is not thrown), or a tuple of several.
struct UseTask {};
inline constexpr UseTask use_task;

namespace detail {

/// Starts its operation when it is awaited: its results come to the awaiting frame, so that there is no other.
template <class Initiation, class Arguments, class... Results>
class Operation {
  public:
    Operation(Initiation initiation, Arguments arguments)
        : initiation_(std::move(initiation)), arguments_(std::move(arguments)) {}

    bool await_ready() const noexcept { return false; }
    template <class AnyPromise>
    void await_suspend(std::coroutine_handle<AnyPromise> awaiting) {
        awaiting_ = awaiting;
        std::apply(
            [&](auto&&... arguments) {
                std::move(initiation_)(Handler{OwnedChain(awaiting.promise().chain()), this}, std::move(arguments)...);
            },
            std::move(arguments_));
    }
    auto await_resume() {
        if constexpr (sizeof...(Results) == 1)
            return std::get<0>(std::move(*results_));
        else if constexpr (sizeof...(Results) > 1)
            return std::move(*results_);
    }

  private:
    struct Handler {
        OwnedChain chain;
        Operation* operation;

        void operator()(Results... results) {
            operation->results_.emplace(std::move(results)...);
            static_cast<void>(chain.release());  // the resumed coroutine has it again
            operation->awaiting_.resume();
        }
    };

    Initiation initiation_;
    Arguments arguments_;
    std::coroutine_handle<> awaiting_;
    std::optional<std::tuple<Results...>> results_;
};

}  // namespace detail
}  // namespace tertulia::async

template <class... Results>
class boost::asio::async_result<tertulia::async::UseTask, void(Results...)> {
  public:
    template <class Initiation, class... Arguments>
    static auto initiate(Initiation&& initiation, tertulia::async::UseTask, Arguments&&... arguments) {
        using Kept = std::tuple<std::decay_t<Arguments>...>;
        return tertulia::async::detail::Operation<std::decay_t<Initiation>, Kept, std::decay_t<Results>...>(
            std::forward<Initiation>(initiation), Kept(std::forward<Arguments>(arguments)...));
    }
};
