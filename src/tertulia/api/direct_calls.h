// Turns and answers without HTTP.
#pragma once

#include <expected>
#include <stop_token>
#include <string>

#include "tertulia/api/chat_handler.h"
#include "tertulia/api/direct_request.h"
#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// Why there is no answer. Value.
struct DirectFailure {
    base::Error error;
    /// As the body of an HTTP answer (error_reply.h).
    std::string body;
};

/// The JSON of the answer.
using DirectOutcome = std::expected<std::string, DirectFailure>;

DirectFailure direct_failure(const base::Error& error, std::string_view request_id);

/// Does what a DirectRequest asks. One per worker.
class DirectCalls {
  public:
    DirectCalls(sessions::SessionService& sessions, ChatDefaults defaults) : sessions_(sessions), defaults_(defaults) {}

    /// A turn answers what POST /chat answers. At the `deadline` it is asked to end as interrupted, and its end is
    /// waited for until `last`: `timed_out`, with its ids, so that it can be continued.
    async::Task<DirectOutcome> run(DirectRequest request, std::string request_id, std::stop_token stop,
                                   base::Deadline deadline, base::Deadline last);

  private:
    async::Task<DirectOutcome> chat_turn(ChatRequest request, std::string request_id, base::Deadline deadline,
                                         base::Deadline last);

    sessions::SessionService& sessions_;
    const ChatDefaults defaults_;
};

}  // namespace tertulia::api
