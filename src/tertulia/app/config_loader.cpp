#include "tertulia/app/config_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tertulia/app/bedrock_config.h"
#include "tertulia/app/config_file.h"
#include "tertulia/app/config_keys.h"
#include "tertulia/app/config_value.h"
#include "tertulia/base/nearest_name.h"
#include "tertulia/http/url.h"
#include "tertulia/models/model_limits.h"

namespace tertulia::app {
namespace {

using base::variable;

constexpr std::string_view anthropic_url = "https://api.anthropic.com";
constexpr std::string_view openai_url = "https://api.openai.com/v1";

const Key<Config>* find_key(std::string_view path) {
    const auto found = std::ranges::find(config_keys(), path, &Key<Config>::path);
    return found == config_keys().end() ? nullptr : &*found;
}

// Variables of ours that are no keys: where the file is, and what ./dev and the tests use.
bool is_known_variable(std::string_view name) {
    constexpr std::string_view known[] = {"TERTULIA_CONFIG", "TERTULIA_MODEL_FILE", "TERTULIA_SKIP_DEPS",
                                          "TERTULIA_FRESH_DIRECTORY", "TERTULIA_BINARY"};
    return name.starts_with("TERTULIA_TEST_") || std::ranges::find(known, name) != std::end(known);
}

base::Result<void> apply_environment(const Environment& environment, LoadedConfig& loaded) {
    std::vector<std::string> names;
    for (const Key<Config>& key : config_keys()) {
        const std::string name = environment_name(key.path);
        names.push_back(name);
        const auto found = environment.find(name);
        if (found == environment.end()) continue;
        const std::string source = "environment " + name;
        if (auto set = set_from_text(key, loaded.config, found->second, source, environment); !set) return set;
        loaded.sources.insert_or_assign(std::string(key.path), source);
    }
    const std::vector<std::string_view> known(names.begin(), names.end());
    for (auto it = environment.lower_bound("TERTULIA_"); it != environment.end(); ++it) {
        const std::string& name = it->first;
        if (!name.starts_with("TERTULIA_")) break;
        if (std::ranges::find(names, name) != names.end() || is_known_variable(name)) continue;
        const std::string_view nearest = base::nearest_name(name, known);
        loaded.warnings.push_back(
            fmt::format("the environment variable {} means nothing to this program{}", name,
                        nearest.empty() ? std::string() : fmt::format("; did you mean {}?", nearest)));
    }
    return {};
}

base::Result<void> apply_command_line(const CommandLine& command_line, const Environment& environment,
                                      LoadedConfig& loaded) {
    for (const CommandLine::Value& value : command_line.values) {
        const Key<Config>* key = find_key(value.path);
        if (!key) return base::fail(base::Errc::internal, "no key " + value.path);
        const std::string source = "command line " + value.flag;
        if (auto set = set_from_text(*key, loaded.config, value.text, source, environment); !set) return set;
        loaded.sources.insert_or_assign(value.path, source);
    }
    return {};
}

base::Result<void> apply_file(const CommandLine& command_line, const Environment& environment, LoadedConfig& loaded) {
    constexpr std::string_view default_file = "tertulia.toml";
    std::string path = command_line.config_file.value_or(std::string(variable(environment, "TERTULIA_CONFIG")));
    const bool named = command_line.config_file || !path.empty();
    if (!named) path = default_file;
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    std::error_code ignored;  // a folder opens, and reads as if it were empty
    if (!file || std::filesystem::is_directory(path, ignored)) {
        if (!named) return {};
        return base::fail(base::Errc::invalid_request, fmt::format("cannot read the configuration file {}", path));
    }
    return apply_toml(text.str(), path, environment, loaded);
}

bool has_provider(const Config& config, std::string_view name) {
    return std::ranges::find(config.providers, name, &ProviderConfig::name) != config.providers.end();
}

// The key itself, or where it is kept; and the variable that says so.
std::pair<ApiKey, std::string> vendor_key(const std::string& name, const Environment& environment,
                                          LoadedConfig& loaded) {
    std::pair<ApiKey, std::string> found;
    const std::array<std::pair<std::string, std::string_view>, 3> forms{
        {{name, ""}, {name + "_SECRET", "secret:"}, {name + "_PARAMETER", "parameter:"}}};
    for (const auto& [variable_name, prefix] : forms) {
        const std::string_view text = without_line_end(variable(environment, variable_name));
        if (text.empty()) continue;
        if (!found.first.empty()) {
            const std::string warning =
                fmt::format("{} is not looked at, since {} is set", variable_name, found.second);
            if (std::ranges::find(loaded.warnings, warning) == loaded.warnings.end())
                loaded.warnings.push_back(warning);
            continue;
        }
        if (prefix.empty())
            found.first.secret = base::Secret(std::string(text));
        else
            found.first.reference = fmt::format("{}{}", prefix, text);
        found.second = variable_name;
    }
    return found;
}

// `anthropic`, `openai` and `openai-responses` exist where there is a key or an address; an entry of the same name has
// replaced them.
void add_vendor(std::string_view name, std::string_view kind, std::string_view url, const Environment& environment,
                LoadedConfig& loaded) {
    const std::string prefix = name == "anthropic" ? "ANTHROPIC" : "OPENAI";
    const std::string url_name = prefix + "_BASE_URL";
    const auto [key, key_name] = vendor_key(prefix + "_API_KEY", environment, loaded);
    const std::string_view own_url = variable(environment, url_name);
    if (has_provider(loaded.config, name) || (key.empty() && own_url.empty())) return;
    ProviderConfig provider{.name = std::string(name), .kind = std::string(kind)};
    provider.base_url = own_url.empty() ? url : own_url;
    provider.api_key = key;
    const std::string where = fmt::format("providers.{}.", name);
    loaded.sources[where + "base_url"] = own_url.empty() ? "default" : "environment " + url_name;
    loaded.sources[where + "api_key"] = key.empty() ? "default" : "environment " + key_name;
    loaded.config.providers.push_back(std::move(provider));
}

void add_local(LoadedConfig& loaded) {
    Config::LocalModel& local = loaded.config.local_model;
    while (local.base_url.ends_with('/')) local.base_url.pop_back();
    if (local.base_url.empty() || has_provider(loaded.config, "local")) return;
    ProviderConfig provider{.name = "local", .kind = "openai-chat", .base_url = local.base_url};
    provider.first_token_limit = local.first_token;
    loaded.sources["providers.local.base_url"] = loaded.sources["local_model.base_url"];
    loaded.sources["providers.local.deadlines.first_token_ms"] = loaded.sources["local_model.first_token_ms"];
    loaded.config.providers.push_back(std::move(provider));
}

base::Result<void> complete_providers(const Environment& environment, LoadedConfig& loaded) {
    if (auto done = complete_bedrock(environment, loaded); !done) return done;
    for (ProviderConfig& provider : loaded.config.providers) {
        const std::string source_name = fmt::format("providers.{}.base_url", provider.name);
        if (provider.base_url.empty()) {
            provider.base_url = provider.kind == "anthropic-messages" ? anthropic_url : openai_url;
            loaded.sources[source_name] = "default";
        }
    }
    add_vendor("anthropic", "anthropic-messages", anthropic_url, environment, loaded);
    add_vendor("openai", "openai-chat", openai_url, environment, loaded);
    add_vendor("openai-responses", "openai-responses", openai_url, environment, loaded);
    add_bedrock(environment, loaded);
    add_local(loaded);
    for (ProviderConfig& provider : loaded.config.providers) {
        while (provider.base_url.ends_with('/')) provider.base_url.pop_back();
        if (const auto url = http::parse_url(provider.base_url); !url) {
            const std::string name = fmt::format("providers.{}.base_url", provider.name);
            return base::fail(base::Errc::invalid_request,
                              fmt::format("{} ({}): {}", name, loaded.sources[name], url.error().message));
        }
    }
    return {};
}

// The first of the vendors that has a key, else the local model, else the first entry of the file with a model known.
void choose_default_model(LoadedConfig& loaded) {
    Config& config = loaded.config;
    if (!config.model.empty()) return;
    for (const std::string_view name : {"anthropic", "openai"}) {
        const auto found = std::ranges::find(config.providers, name, &ProviderConfig::name);
        if (found == config.providers.end() || found->api_key.empty()) continue;
        config.model = fmt::format("{}/{}", name, models::default_model(name));
        loaded.sources["model"] = fmt::format("default of {}", name);
        return;
    }
    if (has_provider(config, "local") && !config.local_model.name.empty()) {
        config.model = "local/" + config.local_model.name;
        loaded.sources["model"] = "default: the local model";
        return;
    }
    for (const ModelConfig& model : config.models) {
        if (!has_provider(config, std::string_view(model.name).substr(0, model.name.find('/')))) continue;
        config.model = model.name;
        loaded.sources["model"] = "default: the first of [[models]]";
        return;
    }
}

std::string provider_names(const Config& config) {
    std::string names;
    for (const ProviderConfig& provider : config.providers) names += (names.empty() ? "" : ", ") + provider.name;
    return names;
}

base::Result<void> check_whole(LoadedConfig& loaded) {
    const Config& config = loaded.config;
    if (!config.local_model.base_url.empty() && config.local_model.name.empty()) {
        return base::fail(base::Errc::invalid_request,
                          "local_model.name must be set where local_model.base_url is: the id of the model it serves");
    }
    for (const RouteConfig& route : config.routes) {
        const std::string name = fmt::format("routes.{}.", route.name);
        if (has_provider(config, route.name))
            return base::fail(base::Errc::invalid_request, fmt::format("{}name ({}): there is a provider of that name",
                                                                       name, loaded.sources[name + "name"]));
        for (const std::string& target : route.targets) {
            const std::size_t end = target.find('/');
            if (end == std::string::npos || end + 1 == target.size() ||
                !has_provider(config, std::string_view(target).substr(0, end)))
                return base::fail(base::Errc::invalid_request,
                                  fmt::format("{}targets ({}): \"{}\" is not PROVIDER/MODEL with one of the "
                                              "providers: {}",
                                              name, loaded.sources[name + "targets"], target, provider_names(config)));
        }
    }
    const std::size_t slash = config.model.find('/');
    if (!config.model.empty() && slash != std::string::npos && !config.providers.empty() &&
        !has_provider(config, std::string_view(config.model).substr(0, slash))) {
        return base::fail(base::Errc::invalid_request,
                          fmt::format("model ({}): \"{}\" names no provider; there are: {}", loaded.sources["model"],
                                      config.model, provider_names(config)));
    }
    return {};
}

}  // namespace

base::Result<LoadedConfig> load_config(const CommandLine& command_line, const Environment& environment) {
    LoadedConfig loaded{.environment = environment};
    for (const Key<Config>& key : config_keys()) loaded.sources.emplace(key.path, "default");
    if (auto done = apply_file(command_line, environment, loaded); !done) return std::unexpected(done.error());
    if (auto done = apply_environment(environment, loaded); !done) return std::unexpected(done.error());
    if (auto done = apply_command_line(command_line, environment, loaded); !done) return std::unexpected(done.error());
    if (loaded.config.workers == 0) loaded.config.workers = std::max(1U, std::thread::hardware_concurrency());
    if (auto done = complete_providers(environment, loaded); !done) return std::unexpected(done.error());
    choose_default_model(loaded);
    if (auto done = check_whole(loaded); !done) return std::unexpected(done.error());
    return loaded;
}

base::Result<void> check_servable(const Config& config) {
    if (config.providers.empty()) {
        return base::fail(
            base::Errc::invalid_request,
            "no model is configured: set ANTHROPIC_API_KEY or OPENAI_API_KEY, or add a [[providers]] entry "
            "to tertulia.toml, or start with `./dev run`, which brings a model along");
    }
    if (config.model.empty()) {
        return base::fail(
            base::Errc::invalid_request,
            "no default model: set `model` (tertulia.toml, TERTULIA_MODEL or --model) to PROVIDER/MODEL; the "
            "providers are: " +
                provider_names(config));
    }
    const auto address = parse_listen(config.listen);
    if (address && !address->is_loopback() && config.api_token.empty() && !config.insecure) {
        return base::fail(
            base::Errc::forbidden,
            fmt::format("refusing to listen on {}, which is not a loopback address, without api_token: set "
                        "api_token (tertulia.toml or TERTULIA_API_TOKEN), or pass --insecure if something "
                        "else checks who asks",
                        config.listen));
    }
    return {};
}

std::string default_provider(const Config& config) {
    const std::size_t slash = config.model.find('/');
    if (slash != std::string::npos && has_provider(config, std::string_view(config.model).substr(0, slash))) {
        return config.model.substr(0, slash);
    }
    return config.providers.empty() ? std::string() : config.providers.front().name;
}

}  // namespace tertulia::app
