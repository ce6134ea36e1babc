#include "tertulia/lambda/http_front.h"

#include <algorithm>

#include "tertulia/http/serving.h"
#include "tertulia/lambda/turn_watch.h"

namespace tertulia::lambda {
namespace {

using async::Task;

constexpr base::Milliseconds rest_limit{29'000};
constexpr base::Milliseconds http_limit{30'000};
constexpr int accepted = 202;
// A gateway's clock is believed if it is no farther away than this.
constexpr std::int64_t believable_ms = 30'000;

base::Deadline later(base::Deadline deadline, base::Milliseconds by) {
    return deadline.is_never() ? deadline : base::Deadline(deadline.at() + by);
}

}  // namespace

/// One request while it is answered; a handler that is left behind keeps it.
struct HttpFront::Served {
    std::shared_ptr<const Invocation> invocation;
    http::Request request;
    std::string body = {};  // once more, where the turn may have to be begun elsewhere
    std::unique_ptr<HttpWriter> writer = {};
    std::optional<TurnWatch> turns = {};
    bool is_over = false;  // the handler has ended
};

base::Deadline HttpFront::limit(const Invocation& invocation, EventShape shape,
                                const boost::json::object& event) const {
    base::Deadline end = invocation.deadline;
    if (!settings_.is_streaming && !is_function_url(event)) {
        const base::Milliseconds usual = shape == EventShape::rest ? rest_limit : http_limit;
        const std::int64_t waited = parts_.clock.wall_us() / 1000 - gateway_time_ms(event);
        const bool is_believable = waited > 0 && waited < believable_ms;
        end = end.earlier(base::Deadline(parts_.clock.steady() + settings_.front_limit.value_or(usual) -
                                         base::Milliseconds(is_believable ? waited : 0)));
    }
    return later(end, -settings_.margin);
}

std::unique_ptr<HttpWriter> HttpFront::make_writer(const Served& served, EventShape shape,
                                                   base::Deadline answer_by) const {
    if (settings_.is_streaming)
        return std::make_unique<StreamingWriter>(parts_.options, served.request, shape, parts_.runtime,
                                                 *served.invocation);
    return std::make_unique<BufferedWriter>(parts_.options, served.request, shape, answer_by, parts_.runtime,
                                            *served.invocation);
}

Task<Posted> HttpFront::answer(std::shared_ptr<const Invocation> invocation, EventShape shape,
                               const boost::json::object& event) {
    const base::SteadyTime began = parts_.clock.steady();
    const auto served = std::make_shared<Served>();
    served->invocation = std::move(invocation);
    auto request = read_http_event(shape, event);
    if (request) served->request = std::move(*request);
    const base::Deadline answer_by = limit(*served->invocation, shape, event);
    served->writer = make_writer(*served, shape, answer_by);
    base::Result<void> admitted;
    if (request)
        admitted = http::admit_whole(parts_.options, served->request);
    else
        admitted = std::unexpected(request.error());
    if (served->request.id.empty()) served->request.id = base::make_id('r', *parts_.options.random);
    served->turns.emplace(parts_.registry, parts_.executor, served->request.id);
    if (admitted) {
        if (parts_.hand_over && !settings_.is_streaming) served->body = served->request.body;
        parts_.tasks.spawn(serve(parts_, served));
        co_await attend(*served, answer_by);
    } else {
        (void)co_await served->writer->respond(parts_.options.on_error(admitted.error(), &served->request));
    }

    const base::Error failure =
        served->is_over ? base::Error{.message = "Something went wrong here. It has been noted."} : time_is_up();
    const Posted posted = co_await served->writer->deliver(failure);
    record(*served, began);
    parts_.log.info("invocation", {{"invocation", served->invocation->id},
                                   {"trace_id", served->invocation->trace_id},
                                   {"request_id", served->request.id},
                                   {"shape", to_string(shape)}});
    // What goes on behind an answer (`Prefer: respond-async`) goes on to its end.
    const base::Deadline end = later(served->invocation->deadline, -settings_.margin / 4);
    co_await served->turns->finish(later(served->invocation->deadline, -settings_.margin), end);
    (void)co_await parts_.broadcast.finish(served->request.id, end);
    co_return posted;
}

Task<void> HttpFront::serve(Parts parts, std::shared_ptr<Served> served) {
    (void)co_await http::serve(parts.router, parts.options, served->request, *served->writer);
    served->is_over = true;
    served->turns->waiter()->wake();
}

Task<void> HttpFront::attend(Served& served, base::Deadline answer_by) {
    const auto& waiter = served.turns->waiter();
    const auto until = [&](base::Deadline deadline) -> Task<bool> {
        while (!served.is_over && !deadline.passed(parts_.clock.steady())) co_await waiter->wait(deadline);
        co_return served.is_over;
    };
    const bool is_over = co_await until(answer_by);
    // Behind an answer that comes first (`Prefer: respond-async`) too: the sandbox may be frozen after it.
    co_await hand_over_turns(served, answer_by);
    if (is_over || co_await until(later(answer_by, settings_.margin / 4))) co_return;
    served.turns->interrupt();
    (void)co_await served.turns->wait(later(answer_by, settings_.margin / 2));
    served.writer->close();
    if (co_await until(later(answer_by, settings_.margin * 3 / 4))) co_return;
    // It waits for something that is not its own: a turn of another request, say.
    parts_.log.warn("a handler was left behind", {{"request_id", served.request.id}});
    co_await served.writer->cut(parts_.options.on_error(time_is_up(), &served.request));
}

Task<void> HttpFront::hand_over_turns(Served& served, base::Deadline answer_by) {
    if (!parts_.hand_over || settings_.is_streaming || served.turns->all_ended()) co_return;
    if (served.is_over && served.writer->status() != accepted) co_return;  // its turn is about to be gone
    (void)co_await parts_.hand_over->run(served.request.id, served.invocation->trace_id, std::move(served.body),
                                         std::nullopt, later(answer_by, settings_.margin / 4));
}

void HttpFront::record(const Served& served, base::SteadyTime began) const {
    if (!parts_.options.on_answered) return;
    parts_.options.on_answered(
        served.request,
        {.status = served.writer->status(),
         .body_bytes = served.writer->body_bytes(),
         .duration = std::chrono::duration_cast<std::chrono::microseconds>(parts_.clock.steady() - began),
         .complete = served.writer->is_complete()});
}

}  // namespace tertulia::lambda
