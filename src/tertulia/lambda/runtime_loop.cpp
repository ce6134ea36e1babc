#include "tertulia/lambda/runtime_loop.h"

#include <algorithm>
#include <charconv>

#include "tertulia/base/json.h"
#include "tertulia/lambda/error_types.h"

namespace tertulia::lambda {
namespace {

using async::Task;

// After a pause of this length connections count as dead.
constexpr std::int64_t long_pause_us = 10'000'000;
// The Runtime API is in this machine: where it does not answer for so many times it is gone.
constexpr int most_failures = 6;
constexpr int most_polls = 1000;
constexpr base::Milliseconds first_pause{20};

InvocationError invalid(std::string message) {
    return {.type = std::string(error_type(base::Errc::invalid_request)), .message = std::move(message)};
}

}  // namespace

int polls(std::string_view max_concurrency) {
    int count = 0;
    const char* const begin = max_concurrency.data();
    const char* const end = begin + max_concurrency.size();
    const auto [stop, error] = std::from_chars(begin, end, count);
    return error == std::errc() && stop == end ? std::clamp(count, 1, most_polls) : 1;
}

/// What the polls of one run share.
struct RuntimeLoop::Run {
    std::stop_source stop;
    std::stop_callback<std::function<void()>> from_outside;
    std::shared_ptr<async::Waiter> ended;
    int polls;
    bool is_well = true;

    Run(int polls_, const std::stop_token& outside, async::Executor executor)
        : from_outside(outside, [this] { stop.request_stop(); }), ended(async::Waiter::make(executor)), polls(polls_) {}

    void give_up() {
        is_well = false;
        stop.request_stop();
    }
};

Task<bool> RuntimeLoop::run(int polls, std::stop_token stop) {
    const auto run = std::make_shared<Run>(polls, stop, parts_.executor);
    for (int i = 0; i < polls; ++i) parts_.tasks.spawn(poll(run));
    while (run->polls > 0) co_await run->ended->wait(base::Deadline::never());
    co_return run->is_well;
}

Task<void> RuntimeLoop::poll(std::shared_ptr<Run> run) {
    const auto pause = async::Waiter::make(parts_.executor);
    int failures = 0;
    while (!run->stop.stop_requested()) {
        const std::int64_t asked_at = parts_.clock.wall_us();
        auto invocation = co_await parts_.runtime.next(run->stop.get_token());
        if (run->stop.stop_requested() && !invocation) break;
        if (!invocation) {
            parts_.log.warn("no event", {{"reason", invocation.error().message}});
            if (++failures >= most_failures) {
                run->give_up();
                break;
            }
            co_await pause->wait(base::Deadline::after(first_pause * (1 << failures)));
            continue;
        }
        failures = 0;
        if (parts_.on_thaw && parts_.clock.wall_us() - asked_at > long_pause_us) parts_.on_thaw();
        const Posted posted = co_await answer(std::make_shared<const Invocation>(std::move(*invocation)));
        if (posted == Posted::broken) run->give_up();
        if (parts_.after_each) parts_.after_each();
    }
    --run->polls;
    run->ended->wake();
}

Task<Posted> RuntimeLoop::answer(std::shared_ptr<const Invocation> invocation) {
    Posted posted = Posted::lost;
    std::optional<std::string> bug;
    try {
        const auto event = base::parse_json(invocation->event);
        const EventShape shape = event ? event_shape(*event) : EventShape::unknown;
        if (shape == EventShape::rest || shape == EventShape::http) {
            posted = co_await parts_.http.answer(invocation, shape, event->get_object());
        } else {
            Outcome outcome;
            if (!event)
                outcome = std::unexpected(invalid("The event is not JSON: " + event.error().message));
            else if (!event->is_object())
                outcome = std::unexpected(invalid("The event is not a JSON object."));
            else
                outcome = co_await dispatch(*invocation, shape, event->get_object());
            posted = outcome ? co_await parts_.runtime.respond(*invocation, std::move(*outcome))
                             : co_await parts_.runtime.fail(*invocation, std::move(outcome.error()));
        }
    } catch (const std::exception& exception) {
        bug = exception.what();
    }
    if (bug) {
        parts_.log.error("bug in an invocation", {{"invocation", invocation->id}, {"what", *bug}});
        posted =
            co_await parts_.runtime.fail(*invocation, {.type = std::string(error_type(base::Errc::internal)),
                                                       .message = "Something went wrong here. It has been noted."});
    }
    if (posted != Posted::taken)
        parts_.log.warn("answer not taken", {{"invocation", invocation->id},
                                             {"how", posted == Posted::refused ? "refused"
                                                     : posted == Posted::lost  ? "lost"
                                                                               : "broken"}});
    co_return posted;
}

Task<Outcome> RuntimeLoop::dispatch(const Invocation& invocation, EventShape shape, const boost::json::object& event) {
    const EventHandler* handler = shape == EventShape::websocket ? &handlers_.websocket
                                  : shape == EventShape::direct  ? &handlers_.direct
                                                                 : nullptr;
    if (!handler || !*handler) {
        const std::string_view what = shape == EventShape::unknown ? "This event is none that the function knows."
                                                                   : "This function answers no such events.";
        return [](std::string text) -> Task<Outcome> {
            co_return std::unexpected(invalid(std::move(text)));
        }(std::string(what));
    }
    // What it begins bears its id.
    parts_.log.info("invocation", {{"invocation", invocation.id},
                                   {"trace_id", invocation.trace_id},
                                   {"request_id", invocation.id},
                                   {"shape", to_string(shape)}});
    return (*handler)(invocation, event);
}

}  // namespace tertulia::lambda
