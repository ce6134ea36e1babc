// How a handler answers.
#pragma once

#include <functional>
#include <string_view>

#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

class Connection;

inline constexpr std::size_t close_watch_bytes = 64 * 1024;

/// The answer's side of one request: either `respond` once, or `start_stream`, any number of `write`, `finish`. Belongs
/// to the connection's task. Every call says whether the client is still there; after a false nothing more need be said
/// (calls then do nothing).
class ResponseWriter {
  public:
    virtual ~ResponseWriter() = default;
    virtual async::Task<bool> respond(Response response) = 0;
    /// Sends the head of an answer of unknown length. `response.body`, if any, goes with it. False, too, where the
    /// request was HEAD: that was all.
    virtual async::Task<bool> start_stream(Response response) = 0;
    /// Sends `bytes` as one chunk in one write; returns when the kernel has taken them.
    virtual async::Task<bool> write(std::string_view bytes) = 0;
    virtual async::Task<bool> finish() = 0;
    /// May fields follow the body? Then the head of a stream names them in `Trailer`, and `finish_with` takes them.
    /// True over HTTP/1.1 where the client sent `TE: trailers`: others may drop them, or break.
    virtual bool takes_trailers() const { return false; }
    /// `finish`, with these fields behind the body; only where it `takes_trailers`.
    virtual async::Task<bool> finish_with(Headers trailers) { return finish(); }
    /// Has an answer been begun?
    virtual bool started() const = 0;
    /// Has `closed` called from the event loop, at most once and not after the handler has ended, when the client
    /// closes the connection or its half of it, or the connection breaks or is closed by the server. Costs a
    /// registration with the kernel, so it is for handlers that would otherwise wait in vain. A client that has sent
    /// more than `close_watch_bytes` of following requests is no longer watched, nor is a connection that was taken
    /// over. Null: no longer.
    virtual void on_close(std::function<void()> closed) {}
    /// Sends `head` (101) and hands the connection over for the rest of the handler: no more requests are read. Null:
    /// the client has gone, or there is no connection. For websocket.h.
    virtual async::Task<Connection*> take_over(Response head) { co_return nullptr; }
    /// Does the client see each `write` when it is made? False: all of it at the end.
    virtual bool is_live() const { return true; }
    /// When the answer must have been given, whatever it is.
    virtual base::Deadline answer_by() const { return base::Deadline::never(); }
    /// What was written tells of this failure, in its own form: for those who can say so beside the body too.
    virtual void note_failure(const base::Error& error) {}
};

}  // namespace tertulia::http
