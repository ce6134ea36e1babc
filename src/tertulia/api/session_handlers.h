// `/sessions`: histories and the list of sessions.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// One per worker.
class SessionHandlers {
  public:
    static constexpr std::int64_t default_page = 50;
    static constexpr std::int64_t max_page = 500;
    /// How long a deletion waits for the session's running turn to end.
    static constexpr base::Milliseconds remove_limit{30'000};

    SessionHandlers(sessions::SessionService& sessions, const base::Clock& clock)
        : sessions_(sessions), clock_(clock) {}

    /// `GET /sessions?limit=&after=`
    async::Task<void> list(http::Request& request, http::ResponseWriter& writer);
    /// `GET /sessions/{id}/messages?limit=&after=&before=`
    async::Task<void> messages(http::Request& request, http::ResponseWriter& writer);
    /// `DELETE /sessions/{id}`
    async::Task<void> remove(http::Request& request, http::ResponseWriter& writer);

  private:
    sessions::SessionService& sessions_;
    const base::Clock& clock_;
};

/// `limit` of a query: a whole number from 1 to 500; 50 where it is not given. Pure.
base::Result<std::int64_t> parse_limit(const std::optional<std::string>& given);

/// `after` or `before` of a history: a message's timestamp as it was shown; empty where it is not given. Pure.
base::Result<std::string> parse_place(std::string_view name, const std::optional<std::string>& given);

}  // namespace tertulia::api
