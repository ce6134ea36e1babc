// Tasks that go on before the event loop looks at anything else.
#pragma once

#include <coroutine>

#include "tertulia/async/promise.h"

namespace tertulia::async {

/// A task that waits, with the chain that it belongs to. Value.
struct OwnedTask {
    detail::OwnedChain chain = nullptr;
    std::coroutine_handle<> task = nullptr;
};

/// What resumes tasks from the event loop does so within a scope of this. A task that is woken meanwhile goes on at its
/// end, with all that both touch still in the caches, and not after a turn of the event loop. One per worker.
class ReadyTasks {
  public:
    class Scope {
      public:
        Scope();
        ~Scope();
        Scope(const Scope&) = delete;

      private:
        bool is_outermost_;
    };

    /// Has `task` go on soon: at the end of the outermost scope of this thread or, outside of any, from the event loop.
    static void add(OwnedTask task);
};

}  // namespace tertulia::async
