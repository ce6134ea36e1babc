#include "tertulia/app/config_document.h"

#include <fmt/format.h>

#include "tertulia/app/config_keys.h"

namespace tertulia::app {
namespace {

template <class Owner>
void describe_keys(std::string& out, const LoadedConfig& loaded, std::span<const Key<Owner>> keys, const Owner& values,
                   const std::string& prefix) {
    Owner copy = values;  // slots are for writing; only read here
    for (const Key<Owner>& key : keys) {
        const std::string name = prefix + std::string(key.path);
        const auto source = loaded.sources.find(name);
        out += fmt::format("{} = {}  # {}\n", name, format_value(key.slot(copy)),
                           source == loaded.sources.end() ? "default" : source->second);
    }
}

template <class Owner>
void document_keys(std::string& out, std::span<const Key<Owner>> keys, bool with_environment) {
    Owner defaults;
    for (const Key<Owner>& key : keys) {
        const std::string value =
            key.default_note.empty() ? "`" + format_value(key.slot(defaults)) + "`" : std::string(key.default_note);
        out += fmt::format("### `{}`\n\n{}\n\n- takes: {}\n- default: {}\n", key.path, key.description,
                           allowed_values(key), value);
        if (with_environment) out += fmt::format("- environment: `{}`\n", environment_name(key.path));
        out += '\n';
    }
}

}  // namespace

std::string describe(const LoadedConfig& loaded) {
    std::string out;
    describe_keys(out, loaded, config_keys(), loaded.config, "");
    for (const ProviderConfig& provider : loaded.config.providers) {
        describe_keys(out, loaded, provider_keys(), provider, "providers." + provider.name + ".");
    }
    for (const ModelConfig& model : loaded.config.models) {
        describe_keys(out, loaded, model_keys(), model, "models." + model.name + ".");
    }
    for (const PriceConfig& price : loaded.config.prices)
        describe_keys(out, loaded, price_keys(), price, "prices." + price.model + ".");
    std::size_t number = 0;
    for (const BudgetConfig& budget : loaded.config.budgets)
        describe_keys(out, loaded, budget_keys(), budget, fmt::format("budgets.{}.", ++number));
    for (const RouteConfig& route : loaded.config.routes) {
        describe_keys(out, loaded, route_keys(), route, "routes." + route.name + ".");
    }
    return out;
}

std::string configuration_document() {
    std::string out = R"(# Configuration

<!-- Made by `tertulia check-config --document > docs/configuration.md`; a test compares. -->

Tertulia runs without any configuration: a key in the environment, or `./dev run` with its local model, is enough.
Everything else stands in one TOML file: `--config FILE`, else the file that `TERTULIA_CONFIG` names, else
`tertulia.toml` in the working directory where there is one. An unknown key in the file is refused, with the nearest
known name.

Each key of the first list can also be set by an environment variable; some by an option of `tertulia serve`
(`tertulia serve --help`). The command line beats the environment, the environment beats the file, the file beats the
default. `tertulia check-config` prints what results, with the source of each value.

```toml
listen = "127.0.0.1:8080"
store = "sqlite:data/tertulia.db"
model = "anthropic/claude-sonnet-4-5"
system = "You are a helpful assistant."
max_tokens = 4096

[[providers]]
name = "anthropic"
kind = "anthropic-messages"
base_url = "https://api.anthropic.com"
api_key = "env:ANTHROPIC_API_KEY"
stream = "always"

[providers.deadlines]
first_token_ms = 120000

[[models]]
name = "anthropic/claude-sonnet-4-5"
context_window = 200000

[[prices]]
model = "openai/my-model"
input = "3.00"
cache_read = "0.30"
cache_write = "3.75"
output = "15.00"

[[budgets]]
owner = "*"
per = "day"
usd = "5.00"

[deadlines]
connect_ms = 3000
first_token_ms = 60000
between_tokens_ms = 30000
turn_ms = 600000

[limits]
body_bytes = 1048576
```

## Providers without a file

| variable | meaning |
|---|---|
| `ANTHROPIC_API_KEY` | adds the provider `anthropic` |
| `ANTHROPIC_BASE_URL` | its address; default `https://api.anthropic.com`, `/v1/messages` is appended |
| `OPENAI_API_KEY` | adds the providers `openai` and `openai-responses` |
| `OPENAI_BASE_URL` | its address; default `https://api.openai.com/v1`, `/chat/completions` or `/responses` is appended |
| `ANTHROPIC_API_KEY_SECRET`, `OPENAI_API_KEY_SECRET` | in the place of the key: the secret of AWS Secrets Manager that holds it, by name or ARN; fetched at first need ([docs/providers.md](providers.md)) |
| `ANTHROPIC_API_KEY_PARAMETER`, `OPENAI_API_KEY_PARAMETER` | the same, of SSM's Parameter Store |
| `AWS_ACCESS_KEY_ID` and the other places where AWS's tools find credentials | add the providers `bedrock` and `bedrock-invoke` ([docs/providers.md](providers.md)) |
| `AWS_BEARER_TOKEN_BEDROCK` | a Bedrock API key; goes before credentials |
| `AWS_REGION`, `AWS_DEFAULT_REGION` | their region; else the profile's, else `us-east-1` |
| `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, `AWS_ENDPOINT_URL` | their address |

## Keys

)";
    document_keys(out, config_keys(), true);
    out += R"(## Keys of `[[providers]]`

One entry for each AI API. With a single entry an id without a slash goes to it; with several, to the provider of `model`.

)";
    document_keys(out, provider_keys(), false);
    out += R"(## Keys of `[[models]]`

What is to be known of single models. No list of known models stands between you and a new one: these entries only say
more about a model than the table that is shipped.

)";
    document_keys(out, model_keys(), false);
    out += R"(## Keys of `[[prices]]`

What a model's tokens cost, where the table that is shipped does not know it or says something else. A model without a
price has no cost (`null`): it is never guessed.

)";
    document_keys(out, price_keys(), false);
    out += R"(## Keys of `[[budgets]]`

What may be spent. Before each call of a model the most that it can cost is set aside in all budgets that apply; over
budget the answer is 402 `budget_exceeded`. Under a budget a model without a price is refused.

)";
    document_keys(out, budget_keys(), false);
    out += R"(## Keys of `[[routes]]`

A route is a name for several models, used as a request's `model`, or as the default one. docs/reliability.md tells what
is tried when.

```toml
[[routes]]
name = "smart"
targets = ["anthropic/claude-sonnet-4-5", "openai/gpt-5"]
hedge = "off"
```

)";
    document_keys(out, route_keys(), false);
    while (out.ends_with("\n\n")) out.pop_back();
    return out;
}

}  // namespace tertulia::app
