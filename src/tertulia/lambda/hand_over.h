// Turns that go on where there is more time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/lambda/self_invoker.h"
#include "tertulia/sessions/session_service.h"
#include "tertulia/sessions/turn_registry.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::lambda {

/// Hands turns over to an invocation of their own, each under its id. One per worker.
class HandOver {
  public:
    struct Parts {
        sessions::SessionService& sessions;
        sessions::TurnRegistry& registry;
        SelfInvoker& invoker;
        const telemetry::Log& log;
    };
    explicit HandOver(Parts parts) : parts_(parts) {}

    /// Who is told of a turn's events from now on. Value.
    struct Told {
        SocketClient client;
        std::string client_id;
        std::uint32_t after = 0;
    };

    /// All turns that the request began (TurnRequest::request_id): first the other invocation is asked for, which waits
    /// for them; a turn whose invocation is refused stays here. `body`: the JSON of the request; `trace_id`: the
    /// invocation's. False: not all of them were handed over.
    async::Task<bool> run(std::string request_id, std::string trace_id, std::string body, std::optional<Told> told,
                          base::Deadline deadline);

  private:
    const Parts parts_;
};

}  // namespace tertulia::lambda
