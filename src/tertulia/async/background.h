// Operations that an event loop does not wait for.
#pragma once

#include <utility>

#include "tertulia/async/promise.h"

namespace tertulia::async {

/// Calls `start(handler)`, which starts one operation of Asio that calls it: the event loop does not go on for the
/// operation's sake alone, as it does else, only for that of the tasks that wait for what comes of it (seat.h). To be
/// called inside a handler of the event loop.
template <class Start, class Handler>
void start_in_background(Executor executor, Start start, Handler handler) {
    start([executor, handler = std::move(handler)](auto... results) mutable {
        executor.on_work_started();  // for the operation's own end
        handler(results...);
    });
    executor.on_work_finished();
}

}  // namespace tertulia::async
