// The coroutine type of everything that waits.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tertulia::async {

namespace asio = boost::asio;

/// The concrete executor of a worker: one thread, one io_context. `any_io_executor` costs a virtual call and an
/// allocation here and there on the hot path, so it is not used.
using Executor = asio::io_context::executor_type;

/// A lazily started coroutine on a worker. Reference parameters must outlive it: pass values to anything that is
/// spawned, references only where the caller awaits at once.
template <class T = void>
using Task = asio::awaitable<T, Executor>;

/// `co_await socket.async_read_some(buffer, use_task)`; throws system_error.
inline constexpr asio::use_awaitable_t<Executor> use_task;

/// The executor that the awaiting task runs on.
inline constexpr asio::this_coro::executor_t this_executor{};

}  // namespace tertulia::async
