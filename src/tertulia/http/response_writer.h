// How a handler answers.
#pragma once

#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

/// The answer's side of one request: either `respond` once, or `start_stream`, any number of `write`, `finish`. Belongs
/// to the connection's task. Every call says whether the client is still there; after a false nothing more need be said
/// (calls then do nothing).
class ResponseWriter {
  public:
    virtual ~ResponseWriter() = default;
    virtual async::Task<bool> respond(Response response) = 0;
    /// Sends the head of an answer of unknown length. `response.body`, if any, goes with it.
    virtual async::Task<bool> start_stream(Response response) = 0;
    /// Sends `bytes` as one chunk in one write; returns when the kernel has taken them.
    virtual async::Task<bool> write(std::string_view bytes) = 0;
    virtual async::Task<bool> finish() = 0;
    /// Has an answer been begun?
    virtual bool started() const = 0;
};

}  // namespace tertulia::http
