// The TOML file.
#pragma once

#include <string_view>

#include "tertulia/app/config_loader.h"

namespace tertulia::app {

/// Sets in `loaded` what the text of a configuration file says. `path` is for messages. An unknown key is refused with
/// the nearest known name.
base::Result<void> apply_toml(std::string_view text, std::string_view path, const Environment& environment,
                              LoadedConfig& loaded);

}  // namespace tertulia::app
