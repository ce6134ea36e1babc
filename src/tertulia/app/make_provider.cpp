#include "tertulia/app/make_provider.h"

#include <fmt/format.h>

#include "tertulia/app/bedrock_config.h"
#include "tertulia/aws/secret_reference.h"
#include "tertulia/http/url.h"
#include "tertulia/providers/anthropic_provider.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_provider.h"
#include "tertulia/providers/keyed_provider.h"
#include "tertulia/providers/openai_chat_provider.h"
#include "tertulia/providers/openai_responses_provider.h"

namespace tertulia::app {
namespace {

std::unique_ptr<models::Provider> make(const ProviderConfig& config, const http::Url& url, const base::Secret& key,
                                       const ProviderParts& parts) {
    const base::Milliseconds connect = config.connect_limit.value_or(parts.deadlines.connect);
    if (config.kind == providers::anthropic_kind)
        return std::make_unique<providers::AnthropicProvider>(
            parts.client, parts.clock,
            providers::AnthropicProvider::Config{
                .base_url = url, .api_key = key, .api_version = config.api_version, .connect_limit = connect});
    if (config.kind == providers::openai_responses_kind)
        return std::make_unique<providers::OpenAiResponsesProvider>(
            parts.client, parts.clock,
            providers::OpenAiResponsesProvider::Config{.base_url = url, .api_key = key, .connect_limit = connect});
    if (is_bedrock(config)) {
        using providers::BedrockProvider;
        const bool is_converse = config.kind == providers::bedrock_converse_kind;
        return std::make_unique<BedrockProvider>(
            parts.client, parts.credentials, parts.clock,
            BedrockProvider::Config{.api = is_converse ? BedrockProvider::Api::converse : BedrockProvider::Api::invoke,
                                    .base_url = url,
                                    .region = config.region,
                                    .api_key = key,
                                    .connect_limit = connect});
    }
    return std::make_unique<providers::OpenAiChatProvider>(
        parts.client, parts.clock,
        providers::OpenAiChatProvider::Config{.base_url = url, .api_key = key, .connect_limit = connect});
}

std::unique_ptr<models::Provider> make_keyed(const ProviderConfig& config, const http::Url& url,
                                             const aws::SecretReference& reference, const ProviderParts& parts) {
    const std::string member = key_member(config.name);
    return std::make_unique<providers::KeyedProvider>(
        parts.keys.of(config.api_key.reference, member),
        providers::KeyedProvider::Config{
            .name = config.name,
            .make = [config, url, parts](const base::Secret& key) { return make(config, url, key, parts); },
            .fetch = fetch_key({.client = parts.client,
                                .credentials = parts.credentials,
                                .environment = parts.environment,
                                .clock = parts.clock,
                                .random = parts.random},
                               reference, member),
            .on_failure =
                [&log = parts.log, name = config.name](const base::Error& error) {
                    log.error("a provider's key cannot be read", {{"provider", name}, {"reason", error.message}});
                }});
}

}  // namespace

base::Result<models::ModelDirectory::Entry> make_provider(const ProviderConfig& config, ProviderParts parts) {
    const auto url = http::parse_url(config.base_url);
    if (!url)
        return base::fail(url.error().code, fmt::format("providers.{}.base_url: {}", config.name, url.error().message));
    const auto reference = aws::parse_secret_reference(config.api_key.reference);
    models::ModelDirectory::Entry entry{.provider = nullptr};
    entry.provider =
        reference ? make_keyed(config, *url, *reference, parts) : make(config, *url, config.api_key.secret, parts);
    entry.deadlines = {.first_token = config.first_token_limit.value_or(parts.deadlines.first_token),
                       .between_tokens = config.between_tokens_limit.value_or(parts.deadlines.between_tokens)};
    entry.always_stream = config.stream == "always";
    return entry;
}

}  // namespace tertulia::app
