// The loop of a Lambda function: asks for events and has them answered.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "tertulia/async/task_group.h"
#include "tertulia/lambda/events.h"
#include "tertulia/lambda/http_front.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/runtime_client.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::lambda {

/// Answers events of one shape, in one piece. The references hold until it has ended; no turn that it began may run
/// then.
using EventHandler = std::function<async::Task<Outcome>(const Invocation&, const boost::json::object& event)>;

/// Who answers events that are no HTTP requests; empty: nobody, they are `Request.Invalid`. Value.
struct EventHandlers {
    EventHandler websocket = {};
    EventHandler direct = {};
};

/// How many events a sandbox is given at once: `AWS_LAMBDA_MAX_CONCURRENCY` where it is set, else one.
int polls(std::string_view max_concurrency);

/// One per worker.
class RuntimeLoop {
  public:
    struct Parts {
        RuntimeClient& runtime;
        HttpFront& http;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        const telemetry::Log& log;
        /// Called before each invocation that comes after a long pause: connections may have died meanwhile.
        std::function<void()> on_thaw = {};
        /// Called after each invocation, before the next one is asked for.
        std::function<void()> after_each = {};
    };
    RuntimeLoop(Parts parts, EventHandlers handlers) : parts_(std::move(parts)), handlers_(std::move(handlers)) {}

    /// Keeps `polls` requests for events open, until `stop` or until it cannot go on: false, and the process should
    /// exit.
    async::Task<bool> run(int polls, std::stop_token stop);

  private:
    struct Run;

    async::Task<void> poll(std::shared_ptr<Run> run);
    async::Task<Posted> answer(std::shared_ptr<const Invocation> invocation);
    async::Task<Outcome> dispatch(const Invocation& invocation, EventShape shape, const boost::json::object& event);

    const Parts parts_;
    const EventHandlers handlers_;
};

}  // namespace tertulia::lambda
