// Events of API Gateway's WebSocket APIs, answered.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "tertulia/api/api.h"
#include "tertulia/api/socket_request.h"
#include "tertulia/lambda/invocation.h"
#include "tertulia/lambda/invoked_work.h"
#include "tertulia/lambda/self_invoker.h"
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
        sessions::SocketConnections& connections;
        const base::Clock& clock;
        const telemetry::Log& log;
    };
    explicit SocketFront(Parts parts) : parts_(parts) {}

    async::Task<Outcome> answer(const Invocation& invocation, const boost::json::object& event);

  private:
    async::Task<Outcome> connect(const Invocation& invocation, const SocketEvent& event);
    async::Task<Outcome> message(const Invocation& invocation, SocketEvent event);
    async::Task<Outcome> subscribe(const Invocation& invocation, const api::SocketRequest& request,
                                   SelfInvocation work);
    async::Task<bool> pass_on(const Invocation& invocation, const SelfInvocation& work, std::string client_id);
    async::Task<void> refuse(const Invocation& invocation, const SocketClient& client, std::string client_id);

    const Parts parts_;
};

}  // namespace tertulia::lambda
