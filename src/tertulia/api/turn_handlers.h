// `/sessions/{id}/turns/{turn}` and `/sessions/{id}/events`: turns looked at from outside.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// The turn that a request's path names; not_found where no turn can have that name.
base::Result<sessions::TurnName> turn_name(const http::Request& request);

/// The session that a request's path names; not_found where no session can have that name.
base::Result<sessions::SessionKey> session_key(const http::Request& request);

/// One per worker.
class TurnHandlers {
  public:
    TurnHandlers(sessions::SessionService& sessions, const base::Clock& clock, base::Milliseconds heartbeat)
        : sessions_(sessions), clock_(clock), heartbeat_(heartbeat) {}

    /// `GET /sessions/{id}/turns/{turn}`
    async::Task<void> show(http::Request& request, http::ResponseWriter& writer);
    /// `GET /sessions/{id}/turns/{turn}/events`: after `Last-Event-ID`, or from the first one.
    async::Task<void> events(http::Request& request, http::ResponseWriter& writer);
    /// `POST /sessions/{id}/turns/{turn}/cancel`
    async::Task<void> cancel(http::Request& request, http::ResponseWriter& writer);
    /// `GET /sessions/{id}/events`
    async::Task<void> session_events(http::Request& request, http::ResponseWriter& writer);

  private:
    sessions::SessionService& sessions_;
    const base::Clock& clock_;
    const base::Milliseconds heartbeat_;
};

}  // namespace tertulia::api
