#include "tertulia/app/bedrock_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tertulia/aws/credential_chain.h"
#include "tertulia/aws/profiles.h"
#include "tertulia/aws/region.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_invoke_wire.h"

namespace tertulia::app {
namespace {

using base::variable;

constexpr std::string_view bearer_variable = "AWS_BEARER_TOKEN_BEDROCK";

// The first of these that is set, as a source; else what holds otherwise.
std::string source_of(const base::Environment& environment, std::initializer_list<std::string_view> names,
                      std::string_view otherwise) {
    for (const std::string_view name : names)
        if (!variable(environment, name).empty()) return fmt::format("environment {}", name);
    return std::string(otherwise);
}

base::Result<void> complete(const base::Environment& environment, const aws::Profiles& profiles,
                            ProviderConfig& provider, LoadedConfig& loaded) {
    const std::string prefix = fmt::format("providers.{}.", provider.name);
    if (provider.region.empty()) {
        provider.region = aws::find_region(environment, profiles);
        const aws::Profile* profile = aws::find_profile(profiles, aws::profile_name(environment));
        const bool profile_has_one = profile && !aws::setting(*profile, "region").empty();
        loaded.sources[prefix + "region"] =
            source_of(environment, {"AWS_REGION", "AWS_DEFAULT_REGION"}, profile_has_one ? "AWS profile" : "default");
    }
    if (!aws::is_region(provider.region))
        return base::fail(base::Errc::invalid_request,
                          fmt::format("{}region ({}): \"{}\" is not the name of an AWS region", prefix,
                                      loaded.sources[prefix + "region"], provider.region));
    if (provider.base_url.empty()) {
        provider.base_url = aws::service_url(environment, "bedrock-runtime", provider.region);
        loaded.sources[prefix + "base_url"] =
            source_of(environment, {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL"}, "default");
    }
    if (const std::string_view token = variable(environment, bearer_variable);
        provider.api_key.empty() && !token.empty()) {
        provider.api_key.secret = base::Secret(std::string(token));
        loaded.sources[prefix + "api_key"] = fmt::format("environment {}", bearer_variable);
    }
    return {};
}

}  // namespace

bool is_bedrock(const ProviderConfig& provider) {
    return provider.kind == providers::bedrock_converse_kind || provider.kind == providers::bedrock_invoke_kind;
}

base::Result<void> complete_bedrock(const base::Environment& environment, LoadedConfig& loaded) {
    if (std::ranges::none_of(loaded.config.providers, is_bedrock)) return {};
    const aws::Profiles profiles = aws::read_profiles(environment);
    for (ProviderConfig& provider : loaded.config.providers) {
        if (!is_bedrock(provider)) continue;
        if (auto done = complete(environment, profiles, provider, loaded); !done) return done;
    }
    return {};
}

void add_bedrock(const base::Environment& environment, LoadedConfig& loaded) {
    const aws::Profiles profiles = aws::read_profiles(environment);
    const auto source = aws::find_credential_source(environment, profiles);
    const bool has_credentials = source && *source != aws::CredentialSource::instance;
    if (!has_credentials && variable(environment, bearer_variable).empty()) return;
    constexpr auto built_in = std::to_array<std::pair<std::string_view, std::string_view>>(
        {{"bedrock", providers::bedrock_converse_kind}, {"bedrock-invoke", providers::bedrock_invoke_kind}});
    for (const auto& [name, kind] : built_in) {
        if (std::ranges::find(loaded.config.providers, name, &ProviderConfig::name) != loaded.config.providers.end())
            continue;
        ProviderConfig provider{.name = std::string(name), .kind = std::string(kind)};
        if (auto done = complete(environment, profiles, provider, loaded); !done)
            loaded.warnings.push_back(fmt::format("there is no provider {}: {}", name, done.error().message));
        else
            loaded.config.providers.push_back(std::move(provider));
    }
}

}  // namespace tertulia::app
