// What an invocation does that the function asked of itself.
#pragma once

#include <memory>
#include <string>

#include "tertulia/api/chat_handler.h"
#include "tertulia/api/socket_session.h"
#include "tertulia/async/task_group.h"
#include "tertulia/lambda/gateway_socket.h"
#include "tertulia/lambda/hand_over.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/turn_broadcast.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::lambda {

/// Answers clients' messages over their WebSockets, and goes on with turns that were handed over. Nobody waits for its
/// own answer. Near the end of its time turns are handed over once more, or end as interrupted. One per worker.
class InvokedWork {
  public:
    struct Parts {
        sessions::SessionService& sessions;
        sessions::TurnRegistry& registry;
        GatewaySocket::Parts gateway;
        HandOver* hand_over = nullptr;  // null: turns end here
        sessions::SocketConnections& connections;
        TurnBroadcast& broadcast;
        async::TaskGroup& tasks;
        async::Executor executor;
        const base::Clock& clock;
        const telemetry::Log& log;
    };
    struct Settings {
        api::ChatDefaults chat;
        base::Milliseconds margin{2'000};
        /// Between two messages to a client of events of the same turn, at least.
        base::Milliseconds pace{60};
    };
    InvokedWork(Parts parts, Settings settings) : parts_(parts), settings_(settings) {}

    async::Task<Outcome> run(const Invocation& invocation, SelfInvocation work);
    /// One message to a client, if it is still there.
    async::Task<void> send(SocketClient client, std::string message);

  private:
    struct Serving;

    async::Task<Outcome> serve(std::shared_ptr<Serving> serving, async::Task<void> task, base::Deadline deadline);
    static async::Task<void> to_the_end(std::shared_ptr<Serving> serving, async::Task<void> task);
    async::Task<void> answer(Serving& serving);
    async::Task<void> replay(Serving& serving);
    async::Task<void> tell(Serving& serving, const sessions::SocketSubscription& subscription,
                           sessions::TurnReader reader);
    async::Task<void> end_subscription(Serving& serving, sessions::SocketSubscription subscription, base::Error why);
    async::Task<void> resume(Serving& serving);
    async::Task<bool> hand_over(Serving& serving, base::Deadline deadline);

    const Parts parts_;
    const Settings settings_;
};

}  // namespace tertulia::lambda
