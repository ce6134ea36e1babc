// A command whose output is wanted.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"

namespace tertulia::aws {

/// What `command` (for `/bin/sh -c`) writes to its standard output; what it writes to the error output is dropped. It
/// gets `environment` and none of our files. Blocks: for a thread of its own. Killed, with all that it started in its
/// process group, after `limit`, on `stop`, or when it writes more than `max_output` bytes. Errors: timed_out,
/// unavailable ("stopped"), too_large, unauthenticated (it cannot be started, or ends with a status other than 0).
base::Result<std::string> run_process(const std::string& command, const base::Environment& environment,
                                      std::chrono::milliseconds limit, std::size_t max_output,
                                      const std::stop_token& stop);

}  // namespace tertulia::aws
