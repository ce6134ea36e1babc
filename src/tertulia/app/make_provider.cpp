#include "tertulia/app/make_provider.h"

#include <fmt/format.h>

#include "tertulia/app/bedrock_config.h"
#include "tertulia/http/url.h"
#include "tertulia/providers/anthropic_provider.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_provider.h"
#include "tertulia/providers/openai_chat_provider.h"
#include "tertulia/providers/openai_responses_provider.h"

namespace tertulia::app {

base::Result<models::ModelDirectory::Entry> make_provider(const ProviderConfig& config,
                                                          const Config::Deadlines& deadlines, http::Client& client,
                                                          aws::CredentialCache& credentials, const base::Clock& clock) {
    const auto url = http::parse_url(config.base_url);
    if (!url)
        return base::fail(url.error().code, fmt::format("providers.{}.base_url: {}", config.name, url.error().message));
    const base::Milliseconds connect = config.connect_limit.value_or(deadlines.connect);
    models::ModelDirectory::Entry entry{.provider = nullptr};
    if (config.kind == providers::anthropic_kind) {
        entry.provider = std::make_unique<providers::AnthropicProvider>(
            client, clock,
            providers::AnthropicProvider::Config{.base_url = *url,
                                                 .api_key = config.api_key,
                                                 .api_version = config.api_version,
                                                 .connect_limit = connect});
    } else if (config.kind == providers::openai_responses_kind) {
        entry.provider = std::make_unique<providers::OpenAiResponsesProvider>(
            client, clock,
            providers::OpenAiResponsesProvider::Config{
                .base_url = *url, .api_key = config.api_key, .connect_limit = connect});
    } else if (is_bedrock(config)) {
        using providers::BedrockProvider;
        const bool is_converse = config.kind == providers::bedrock_converse_kind;
        entry.provider = std::make_unique<BedrockProvider>(
            client, credentials, clock,
            BedrockProvider::Config{.api = is_converse ? BedrockProvider::Api::converse : BedrockProvider::Api::invoke,
                                    .base_url = *url,
                                    .region = config.region,
                                    .api_key = config.api_key,
                                    .connect_limit = connect});
    } else {
        entry.provider = std::make_unique<providers::OpenAiChatProvider>(
            client, clock,
            providers::OpenAiChatProvider::Config{
                .base_url = *url, .api_key = config.api_key, .connect_limit = connect});
    }
    entry.deadlines = {.first_token = config.first_token_limit.value_or(deadlines.first_token),
                       .between_tokens = config.between_tokens_limit.value_or(deadlines.between_tokens)};
    entry.always_stream = config.stream == "always";
    return entry;
}

}  // namespace tertulia::app
