#include "tertulia/app/config_sections.h"

#include <array>

#include "tertulia/aws/region.h"
#include "tertulia/http/url.h"

namespace tertulia::app {
namespace {

constexpr std::string_view api_key_forms =
    R"("env:NAME", "file:PATH", "secret:ID" (AWS Secrets Manager), "parameter:NAME" (AWS SSM) or the key itself)";

bool is_url(std::string_view text) {
    return http::parse_url(text).has_value();
}
bool is_url_or_empty(std::string_view text) {
    return text.empty() || is_url(text);
}
bool is_kind(std::string_view text) {
    return one_of(text, "anthropic-messages", "openai-chat", "openai-responses", "bedrock-converse", "bedrock-invoke");
}
bool is_stream(std::string_view text) {
    return one_of(text, "always", "as_asked");
}
bool is_region(std::string_view text) {
    return text.empty() || aws::is_region(text);
}
bool is_api_version(std::string_view text) {
    return one_of(text, "2023-06-01", "2026-10-21");
}

const std::array local_model_table = {
    Key<Config>{.path = "local_model.base_url",
                .slot = TERTULIA_SLOT(Config, local_model.base_url),
                .description =
                    "An OpenAI-compatible server on this machine, which becomes the provider `local`. Set by "
                    "`./dev run`.",
                .allowed = "an http or https URL",
                .valid = is_url_or_empty,
                .default_note = "none"},
    Key<Config>{.path = "local_model.name",
                .slot = TERTULIA_SLOT(Config, local_model.name),
                .description = "The id of its model.",
                .default_note = "none"},
    Key<Config>{.path = "local_model.health_url",
                .slot = TERTULIA_SLOT(Config, local_model.health_url),
                .description = "Answers 200 once the model is loaded; until then `/readyz` says 503 and turns wait.",
                .allowed = "an http or https URL",
                .valid = is_url_or_empty,
                .default_note = "none: it is taken for ready"},
    Key<Config>{.path = "local_model.context_window",
                .slot = TERTULIA_SLOT(Config, local_model.context_window),
                .description = "Tokens of prompt and answer together.",
                .most = 1'000'000'000,
                .default_note = "asked from the server"},
    Key<Config>{.path = "local_model.first_token_ms",
                .slot = TERTULIA_SLOT(Config, local_model.first_token),
                .description = "Its `first_token_ms`: a model without a graphics card reads its prompt slowly.",
                .least = 1,
                .most = day_ms},
};

const std::array provider_table = {
    Key<ProviderConfig>{.path = "name",
                        .slot = TERTULIA_SLOT(ProviderConfig, name),
                        .description = "What stands before the slash in `model`. An entry of the name of a built-in "
                                       "provider (`anthropic`, `openai`, `openai-responses`, `bedrock`, "
                                       "`bedrock-invoke`, `local`) replaces it.",
                        .allowed = "letters, digits and ._-",
                        .valid = is_provider_name,
                        .default_note = "must be set"},
    Key<ProviderConfig>{
        .path = "kind",
        .slot = TERTULIA_SLOT(ProviderConfig, kind),
        .description = "The API that it speaks.",
        .allowed = "anthropic-messages, openai-chat, openai-responses, bedrock-converse or bedrock-invoke",
        .valid = is_kind,
        .default_note = "must be set"},
    Key<ProviderConfig>{.path = "base_url",
                        .slot = TERTULIA_SLOT(ProviderConfig, base_url),
                        .description = "`/v1/messages` (anthropic-messages), `/chat/completions` (openai-chat) or "
                                       "`/responses` (openai-responses) is appended; for Bedrock `/model/ID/...`.",
                        .allowed = "an http or https URL",
                        .valid = is_url,
                        .default_note = "`https://api.anthropic.com`, `https://api.openai.com/v1` or Bedrock's address "
                                        "in the region, by kind"},
    Key<ProviderConfig>{.path = "api_key",
                        .slot = TERTULIA_SLOT(ProviderConfig, api_key),
                        .description =
                            "The key. One that stands in the file itself earns a warning. For Bedrock a Bedrock "
                            "API key; without one (and without `AWS_BEARER_TOKEN_BEDROCK`) calls are "
                            "signed with AWS credentials ([docs/providers.md](providers.md)).",
                        .allowed = api_key_forms,
                        .default_note = "none is sent"},
    Key<ProviderConfig>{.path = "stream",
                        .slot = TERTULIA_SLOT(ProviderConfig, stream),
                        .description =
                            "`always` asks the model to stream whatever the client asked: stalls, cancels and "
                            "partial answers need it. `as_asked` passes the client's choice on.",
                        .allowed = "always or as_asked",
                        .valid = is_stream},
    Key<ProviderConfig>{.path = "api_version",
                        .slot = TERTULIA_SLOT(ProviderConfig, api_version),
                        .description = "anthropic-messages only: the version of the API. The older one is proven by "
                                       "recordings of the real API; the newer one only by its documentation.",
                        .allowed = "2023-06-01 or 2026-10-21",
                        .valid = is_api_version},
    Key<ProviderConfig>{
        .path = "region",
        .slot = TERTULIA_SLOT(ProviderConfig, region),
        .description = "bedrock-converse and bedrock-invoke only: the AWS region. Calls are signed for "
                       "it, and `base_url` is its address where none is set.",
        .allowed = "the name of an AWS region",
        .valid = is_region,
        .default_note = "`AWS_REGION`, else `AWS_DEFAULT_REGION`, else the AWS profile's, else `us-east-1`"},
    Key<ProviderConfig>{.path = "deadlines.connect_ms",
                        .slot = TERTULIA_SLOT(ProviderConfig, connect_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
    Key<ProviderConfig>{.path = "deadlines.first_token_ms",
                        .slot = TERTULIA_SLOT(ProviderConfig, first_token_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
    Key<ProviderConfig>{.path = "deadlines.between_tokens_ms",
                        .slot = TERTULIA_SLOT(ProviderConfig, between_tokens_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
};

}  // namespace

std::span<const Key<Config>> local_model_keys() {
    return local_model_table;
}
std::span<const Key<ProviderConfig>> provider_keys() {
    return provider_table;
}

}  // namespace tertulia::app
