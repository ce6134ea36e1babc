// Events of API Gateway's WebSocket APIs, answered.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "tertulia/api/api.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/invoked_work.h"
#include "tertulia/lambda/socket_event.h"

namespace tertulia::lambda {

/// Lets clients in as `/ws` does, and answers their messages. Nobody knows beforehand which turn outlives the 29 s that
/// API Gateway gives an event: what may take time goes to an invocation of its own at once. One per worker.
class SocketFront {
  public:
    struct Parts {
        const api::Api& api;
        InvokedWork& work;
        SelfInvoker* invoker = nullptr;  // null: everything is done here
        sessions::SocketConnections* connections = nullptr;
        const base::Clock& clock;
        const telemetry::Log& log;
    };
    explicit SocketFront(Parts parts) : parts_(parts) {}

    async::Task<Outcome> answer(const Invocation& invocation, const boost::json::object& event);

  private:
    async::Task<Outcome> connect(const Invocation& invocation, const SocketEvent& event);
    async::Task<Outcome> message(const Invocation& invocation, SocketEvent event);

    const Parts parts_;
};

}  // namespace tertulia::lambda
