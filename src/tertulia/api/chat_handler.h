// `POST /chat`.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// Begins a turn and reads its log for this client, as one JSON answer or as server-sent events. A client that leaves
/// ends the reading, never the turn. One per worker.
class ChatHandler {
  public:
    /// A comment goes out after this long without an event.
    static constexpr base::Milliseconds heartbeat_after{10'000};

    ChatHandler(sessions::SessionService& sessions, const base::Clock& clock) : sessions_(sessions), clock_(clock) {}

    async::Task<void> chat(http::Request& request, http::ResponseWriter& writer);

  private:
    base::Result<sessions::BegunTurn> begin(http::Request& request, bool& stream);
    static async::Task<void> answer_json(const http::Request& request, http::ResponseWriter& writer,
                                         sessions::BegunTurn& turn);
    async::Task<void> answer_stream(const http::Request& request, http::ResponseWriter& writer,
                                    sessions::BegunTurn& turn);

    sessions::SessionService& sessions_;
    const base::Clock& clock_;
};

}  // namespace tertulia::api
