// From the command line, the environment and the file to one configuration.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tertulia/app/config.h"
#include "tertulia/base/environment.h"
#include "tertulia/base/error.h"

namespace tertulia::app {

using base::Environment;

/// What the command line says of the configuration. Value.
struct CommandLine {
    /// `--config`; nothing: TERTULIA_CONFIG, else ./tertulia.toml where there is one.
    std::optional<std::string> config_file = {};
    struct Value {
        std::string path;  ///< the key
        std::string flag;  ///< "--listen"
        std::string text;
    };
    std::vector<Value> values = {};
};

/// A configuration and how it came about. Value.
struct LoadedConfig {
    Config config;
    /// Of every key, where its value is from ("default", "file tertulia.toml:3", "environment TERTULIA_LISTEN",
    /// "command line --listen"). `providers.NAME.KEY` and `models.NAME.KEY` for those.
    std::map<std::string, std::string, std::less<>> sources;
    /// What it was loaded with: AWS's credentials are read from there whenever they are needed.
    Environment environment = {};
    /// For people; nothing that forbids to go on.
    std::vector<std::string> warnings;
};

/// The command line goes before the environment, before the file, before the defaults. Adds the built-in providers for
/// which there is a key or an address, and chooses the default model (empty where there is no provider at all). Reads
/// the file and the `file:` secrets. Errors (invalid_request) name the key, the source and what is allowed.
base::Result<LoadedConfig> load_config(const CommandLine& command_line, const Environment& environment);

/// Why `serve` refuses to start with a well-formed configuration: no provider at all, or an address that others reach
/// without a token.
base::Result<void> check_servable(const Config& config);

/// The provider of an id without a slash: that of the default model.
std::string default_provider(const Config& config);

}  // namespace tertulia::app
