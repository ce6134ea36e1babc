// HTTP requests that come in events, answered by the server's own routes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tertulia/async/task_group.h"
#include "tertulia/http/router.h"
#include "tertulia/http/server.h"
#include "tertulia/lambda/events.h"
#include "tertulia/lambda/hand_over.h"
#include "tertulia/lambda/http_writer.h"
#include "tertulia/lambda/runtime_client.h"
#include "tertulia/lambda/turn_broadcast.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::lambda {

/// What the configuration says of answers. Value.
struct FrontSettings {
    /// The front takes an answer as it comes: every one has a prelude then.
    bool is_streaming = false;
    /// So long before its end an invocation begins to end.
    base::Milliseconds margin{2'000};
    /// How long API Gateway waits for a buffered answer; nothing: 29 s (REST API), 30 s (HTTP API).
    std::optional<base::Milliseconds> front_limit = {};
};

/// Answers events of the shapes `rest` and `http`. Near the end of their time the turns that a request began are handed
/// over, where that is possible and the answer is a buffered one, or else end as interrupted, and the request is
/// answered whatever its handler does; no turn is left running when `answer` returns.
/// One per worker.
class HttpFront {
  public:
    struct Parts {
        RuntimeClient& runtime;
        const http::Router& router;
        const http::ServerOptions& options;
        sessions::TurnRegistry& registry;
        HandOver* hand_over = nullptr;  // null: turns end with their invocation
        TurnBroadcast& broadcast;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        const telemetry::Log& log;
    };
    HttpFront(Parts parts, FrontSettings settings) : parts_(parts), settings_(settings) {}

    async::Task<Posted> answer(std::shared_ptr<const Invocation> invocation, EventShape shape,
                               const boost::json::object& event);

  private:
    struct Served;

    /// When the invocation begins to end, less the margin.
    base::Deadline limit(const Invocation& invocation, EventShape shape, const boost::json::object& event) const;
    std::unique_ptr<HttpWriter> make_writer(const Served& served, EventShape shape, base::Deadline answer_by) const;
    static async::Task<void> serve(Parts parts, std::shared_ptr<Served> served);
    /// Until the handler has ended, or must be left behind.
    async::Task<void> attend(Served& served, base::Deadline answer_by);
    async::Task<void> hand_over_turns(Served& served, base::Deadline answer_by);
    void record(const Served& served, base::SteadyTime began) const;

    const Parts parts_;
    const FrontSettings settings_;
};

}  // namespace tertulia::lambda
