// `tertulia serve`: the process from its start to its end.
#pragma once

#include "tertulia/app/config_loader.h"

namespace tertulia::app {

/// Runs a server until SIGTERM or SIGINT; the exit code (0: ended as asked, 1: could not start). Prints the address on
/// standard output once it can answer; logs to standard error.
int serve(const LoadedConfig& loaded);

}  // namespace tertulia::app
