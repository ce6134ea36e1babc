// What has taken a connection over from HTTP.
#pragma once

#include "tertulia/async/task.h"

namespace tertulia::http {

/// One per worker.
class Takeover {
  public:
    virtual ~Takeover() = default;
    /// The server stops: takes leave of the client, and ends soon.
    virtual void stop() = 0;
    /// The handler has ended (`bug`: by an exception). Takes leave if that has not been done; returns when the
    /// connection is no longer used.
    virtual async::Task<void> finish(bool bug) = 0;
};

}  // namespace tertulia::http
