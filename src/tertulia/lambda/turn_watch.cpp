#include "tertulia/lambda/turn_watch.h"

namespace tertulia::lambda {

async::Task<bool> TurnWatch::wait(base::Deadline deadline) {
    while (!all_ended()) {
        if (deadline.passed(std::chrono::steady_clock::now())) co_return false;
        co_await waiter_->wait(deadline);
    }
    co_return true;
}

void TurnWatch::interrupt() {
    registry_.stop_begun_by(request_id_, sessions::TurnState::interrupted, time_is_up());
}

async::Task<void> TurnWatch::finish(base::Deadline limit, base::Deadline end) {
    if (co_await wait(limit)) co_return;
    interrupt();
    (void)co_await wait(end);
}

base::Error time_is_up() {
    return {.code = base::Errc::timed_out,
            .message = "The function's time was up before the answer was whole; continue it."};
}

}  // namespace tertulia::lambda
