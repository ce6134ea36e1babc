// The configuration for people to read.
#pragma once

#include <string>

#include "tertulia/app/config_loader.h"

namespace tertulia::app {

/// What `tertulia check-config` prints: `key = value  # source`, a line for each key. Secrets are `***`.
std::string describe(const LoadedConfig& loaded);

/// docs/configuration.md.
std::string configuration_document();

}  // namespace tertulia::app
