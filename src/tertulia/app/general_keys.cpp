#include "tertulia/app/config_sections.h"

#include <array>

#include "tertulia/storage/open_store.h"

namespace tertulia::app {
namespace {

constexpr std::string_view secret_forms = R"("env:NAME", "file:PATH" or the secret itself)";

bool is_listen(std::string_view text) {
    return parse_listen(text).has_value();
}
bool is_level(std::string_view text) {
    return one_of(text, "debug", "info", "warn", "error", "off");
}
bool is_on_busy(std::string_view text) {
    return one_of(text, "queue", "reject", "interrupt");
}
bool is_on_disconnect(std::string_view text) {
    return one_of(text, "finish", "cancel");
}

const std::array table = {
    Key<Config>{.path = "listen",
                .slot = TERTULIA_SLOT(Config, listen),
                .description =
                    "Where the server listens. Port 0 takes a free one. An address that is not loopback needs "
                    "`api_token` or `insecure`.",
                .allowed = "HOST:PORT or [ADDRESS]:PORT",
                .valid = is_listen},
    Key<Config>{.path = "store",
                .slot = TERTULIA_SLOT(Config, store),
                .description =
                    "Where sessions are kept: a SQLite file (the folder is made where it is missing), only in "
                    "memory, to be forgotten at the end, or in DynamoDB (docs/dynamodb.md), which several servers may "
                    "share.",
                .allowed = "sqlite:PATH, memory: or dynamodb:",
                .valid = storage::is_store},
    Key<Config>{.path = "model",
                .slot = TERTULIA_SLOT(Config, model),
                .description = "The model where neither the request nor its session names one.",
                .allowed = "PROVIDER/MODEL",
                .default_note = "the default model of Anthropic if it has a key, else of OpenAI, else the local model"},
    Key<Config>{.path = "system",
                .slot = TERTULIA_SLOT(Config, system),
                .description = "The system text where neither the request nor its session has one. Empty: none."},
    Key<Config>{.path = "max_tokens",
                .slot = TERTULIA_SLOT(Config, max_tokens),
                .description = "The longest answer, in tokens, where the request does not say; of a model whose "
                               "context window is known, at most half of that.",
                .least = 1,
                .most = 10'000'000},
    Key<Config>{.path = "workers",
                .slot = TERTULIA_SLOT(Config, workers),
                .description = "Threads that serve connections.",
                .least = 1,
                .most = 256,
                .default_note = "one for each core"},
    Key<Config>{.path = "log_level",
                .slot = TERTULIA_SLOT(Config, log_level),
                .description = "The least important lines that are still logged.",
                .allowed = "debug, info, warn, error or off",
                .valid = is_level},
    Key<Config>{.path = "insecure",
                .slot = TERTULIA_SLOT(Config, insecure),
                .description = "Allows to listen on an address that is not loopback without `api_token`, and answers "
                               "whatever `Host` a request names. Only behind something else that checks who asks."},
    Key<Config>{
        .path = "api_token",
        .slot = TERTULIA_SLOT(Config, api_token),
        .description = "What every request but `/`, `/healthz` and `/readyz` must bring as `Authorization: Bearer`.",
        .allowed = secret_forms,
        .default_note = "none"},
    Key<Config>{.path = "cors_origins",
                .slot = TERTULIA_SLOT(Config, cors_origins),
                .description =
                    "Origins of web pages that may use the API from a browser; `*` is any. In the environment "
                    "separated by commas.",
                .default_note = "none: CORS is off"},
    Key<Config>{
        .path = "prices_file",
        .slot = TERTULIA_SLOT(Config, prices_file),
        .description =
            "A JSON file with prices that go before the shipped ones (docs/operations.md). It is read again when "
            "it has changed; a broken one changes nothing then.",
        .default_note = "none"},
    Key<Config>{.path = "on_busy",
                .slot = TERTULIA_SLOT(Config, on_busy),
                .description =
                    "What a message does that comes while another of its session is being answered, where the request "
                    "does not say: wait, be refused with 409, or end that answer (its text so far is kept).",
                .allowed = "queue, reject or interrupt",
                .valid = is_on_busy},
    Key<Config>{.path = "on_disconnect",
                .slot = TERTULIA_SLOT(Config, on_disconnect),
                .description = "What becomes of a turn whose client closes the connection, where the request does not "
                               "say: it goes on to its end and is stored, or it is cancelled.",
                .allowed = "finish or cancel",
                .valid = is_on_disconnect},
};

}  // namespace

std::span<const Key<Config>> general_keys() {
    return table;
}

}  // namespace tertulia::app
