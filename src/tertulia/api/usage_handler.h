// `GET /usage`: what turns have used and cost.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/sessions/session_service.h"

namespace tertulia::api {

/// One per worker.
class UsageHandler {
  public:
    explicit UsageHandler(sessions::SessionService& sessions) : sessions_(sessions) {}

    /// `GET /usage?group_by=&from=&to=&format=`
    async::Task<void> usage(http::Request& request, http::ResponseWriter& writer);

  private:
    sessions::SessionService& sessions_;
};

}  // namespace tertulia::api
