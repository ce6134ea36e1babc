// What stands around every handler, however its request came.
#pragma once

#include "tertulia/async/task.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/http/response_writer.h"
#include "tertulia/http/router.h"
#include "tertulia/http/server.h"

namespace tertulia::http {

/// Gives a request whose head is there its id, and asks whether it may be answered at all.
base::Result<void> admit(const ServerOptions& options, Request& request);

/// The same for one that has come whole: its body is looked at too, as if it had come piece by piece.
base::Result<void> admit_whole(const ServerOptions& options, Request& request);

/// Has the route's handler answer `request`, and answers where there is none, or where it did not; a handler's
/// exception goes to ServerOptions::on_bug. False: the handler failed, maybe in the midst of its answer.
async::Task<bool> serve(const Router& router, const ServerOptions& options, Request& request, ResponseWriter& writer);

}  // namespace tertulia::http
