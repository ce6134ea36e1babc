#include "tertulia/app/config_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tertulia/aws/region.h"
#include "tertulia/base/json.h"
#include "tertulia/billing/budget.h"
#include "tertulia/billing/money.h"
#include "tertulia/http/url.h"
#include "tertulia/models/model_directory.h"
#include "tertulia/storage/open_store.h"

namespace tertulia::app {
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr std::int64_t gibibyte = std::int64_t(1) << 30;

template <class... Options>
bool one_of(std::string_view text, Options... options) {
    return ((text == options) || ...);
}

bool is_listen(std::string_view text) {
    return parse_listen(text).has_value();
}
bool is_level(std::string_view text) {
    return one_of(text, "debug", "info", "warn", "error", "off");
}
bool is_url(std::string_view text) {
    return http::parse_url(text).has_value();
}
bool is_url_or_empty(std::string_view text) {
    return text.empty() || is_url(text);
}
bool is_provider_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
}
bool is_kind(std::string_view text) {
    return one_of(text, "anthropic-messages", "openai-chat", "openai-responses", "bedrock-converse", "bedrock-invoke");
}
bool is_stream(std::string_view text) {
    return one_of(text, "always", "as_asked");
}
bool is_on_busy(std::string_view text) {
    return one_of(text, "queue", "reject", "interrupt");
}
bool is_on_disconnect(std::string_view text) {
    return one_of(text, "finish", "cancel");
}
bool is_region(std::string_view text) {
    return text.empty() || aws::is_region(text);
}
bool is_lambda_response(std::string_view text) {
    return one_of(text, "buffered", "streaming");
}
bool is_hedge(std::string_view text) {
    return models::parse_hedge(text).has_value();
}
bool is_api_version(std::string_view text) {
    return one_of(text, "2023-06-01", "2026-10-21");
}
bool is_model_name(std::string_view text) {
    const std::size_t slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size();
}

bool is_price(std::string_view text) {
    return billing::parse_price(text).has_value();
}
bool is_amount(std::string_view text) {
    return billing::parse_usd(text).has_value();
}
bool is_period(std::string_view text) {
    return billing::parse_budget_period(text).has_value();
}

constexpr std::string_view price_forms = R"(dollars per million tokens as a text, such as "3.00")";
constexpr std::string_view secret_forms = R"("env:NAME", "file:PATH" or the secret itself)";
constexpr std::string_view api_key_forms =
    R"("env:NAME", "file:PATH", "secret:ID" (AWS Secrets Manager), "parameter:NAME" (AWS SSM) or the key itself)";

// A captureless lambda per member: the address of the value inside its struct.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a member's name stands alone.
#define SLOT(owner, member) [](owner& it) -> Slot { return &it.member; }

const std::array table = {
    Key<Config>{.path = "listen",
                .slot = SLOT(Config, listen),
                .description =
                    "Where the server listens. Port 0 takes a free one. An address that is not loopback needs "
                    "`api_token` or `insecure`.",
                .allowed = "HOST:PORT or [ADDRESS]:PORT",
                .valid = is_listen},
    Key<Config>{.path = "store",
                .slot = SLOT(Config, store),
                .description =
                    "Where sessions are kept: a SQLite file (the folder is made where it is missing), only in "
                    "memory, to be forgotten at the end, or in DynamoDB (docs/dynamodb.md), which several servers may "
                    "share.",
                .allowed = "sqlite:PATH, memory: or dynamodb:",
                .valid = storage::is_store},
    Key<Config>{.path = "model",
                .slot = SLOT(Config, model),
                .description = "The model where neither the request nor its session names one.",
                .allowed = "PROVIDER/MODEL",
                .default_note = "the default model of Anthropic if it has a key, else of OpenAI, else the local model"},
    Key<Config>{.path = "system",
                .slot = SLOT(Config, system),
                .description = "The system text where neither the request nor its session has one. Empty: none."},
    Key<Config>{.path = "max_tokens",
                .slot = SLOT(Config, max_tokens),
                .description = "The longest answer, in tokens, where the request does not say.",
                .least = 1,
                .most = 10'000'000},
    Key<Config>{.path = "workers",
                .slot = SLOT(Config, workers),
                .description = "Threads that serve connections.",
                .least = 1,
                .most = 256,
                .default_note = "one for each core"},
    Key<Config>{.path = "log_level",
                .slot = SLOT(Config, log_level),
                .description = "The least important lines that are still logged.",
                .allowed = "debug, info, warn, error or off",
                .valid = is_level},
    Key<Config>{.path = "insecure",
                .slot = SLOT(Config, insecure),
                .description = "Allows to listen on an address that is not loopback without `api_token`, and answers "
                               "whatever `Host` a request names. Only behind something else that checks who asks."},
    Key<Config>{.path = "api_token",
                .slot = SLOT(Config, api_token),
                .description = "What every request but `/healthz` and `/readyz` must bring as `Authorization: Bearer`.",
                .allowed = secret_forms,
                .default_note = "none"},
    Key<Config>{.path = "cors_origins",
                .slot = SLOT(Config, cors_origins),
                .description =
                    "Origins of web pages that may use the API from a browser; `*` is any. In the environment "
                    "separated by commas.",
                .default_note = "none: CORS is off"},

    Key<Config>{
        .path = "prices_file",
        .slot = SLOT(Config, prices_file),
        .description =
            "A JSON file with prices that go before the shipped ones (docs/operations.md). It is read again when "
            "it has changed; a broken one changes nothing then.",
        .default_note = "none"},
    Key<Config>{.path = "on_busy",
                .slot = SLOT(Config, on_busy),
                .description =
                    "What a message does that comes while another of its session is being answered, where the request "
                    "does not say: wait, be refused with 409, or end that answer (its text so far is kept).",
                .allowed = "queue, reject or interrupt",
                .valid = is_on_busy},
    Key<Config>{.path = "on_disconnect",
                .slot = SLOT(Config, on_disconnect),
                .description = "What becomes of a turn whose client closes the connection, where the request does not "
                               "say: it goes on to its end and is stored, or it is cancelled.",
                .allowed = "finish or cancel",
                .valid = is_on_disconnect},

    Key<Config>{.path = "deadlines.connect_ms",
                .slot = SLOT(Config, deadlines.connect),
                .description = "To reach a provider: name look-up, connection, TLS.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.first_token_ms",
                .slot = SLOT(Config, deadlines.first_token),
                .description = "From the request to the first token of the answer. Pings do not count; a token of "
                               "thinking does.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.between_tokens_ms",
                .slot = SLOT(Config, deadlines.between_tokens),
                .description = "From one token to the next.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.turn_ms",
                .slot = SLOT(Config, deadlines.turn),
                .description = "For a whole turn.",
                .least = 1,
                .most = day_ms},

    Key<Config>{.path = "retry.attempts",
                .slot = SLOT(Config, retry.attempts),
                .description =
                    "Calls of one model within a turn, the first included, where it is overloaded, cannot be "
                    "reached, or breaks off before its first token.",
                .least = 1,
                .most = 20},
    Key<Config>{.path = "retry.base_ms",
                .slot = SLOT(Config, retry.base),
                .description =
                    "Before a retry a random part of this is waited, or what the provider asks for where that "
                    "is longer. Doubled by each further retry of the same model.",
                .least = 1,
                .most = 60'000},
    Key<Config>{.path = "retry.max_ms",
                .slot = SLOT(Config, retry.max),
                .description = "The doubling ends here.",
                .least = 1,
                .most = 600'000},
    Key<Config>{.path = "retry.budget",
                .slot = SLOT(Config, retry.budget),
                .description = "Retries as a share of requests, of the whole process: a bucket that starts with 10 and "
                               "gains this by each request, so that retries are no load of their own when everything "
                               "fails. 1.0: no limit.",
                .least = 0,
                .most = 1},
    Key<Config>{.path = "breaker.failures",
                .slot = SLOT(Config, breaker.failures),
                .description = "After so many failures in a row a provider is passed over, and asked only from time to "
                               "time whether it answers again. 0: never.",
                .least = 0,
                .most = 1'000'000},
    Key<Config>{.path = "breaker.probe_ms",
                .slot = SLOT(Config, breaker.probe),
                .description = "How long until it is asked the first time; doubled each time it fails, up to fourfold.",
                .least = 1,
                .most = day_ms},

    Key<Config>{.path = "limits.body_bytes",
                .slot = SLOT(Config, limits.body_bytes),
                .description = "The largest request body; beyond it 413.",
                .least = 1,
                .most = gibibyte},
    Key<Config>{.path = "limits.content_bytes",
                .slot = SLOT(Config, limits.content_bytes),
                .description =
                    "The largest body of POST /chat whose content begins within limits.body_bytes; beyond it "
                    "413. Not more than limits.body_bytes: such bodies are nothing special.",
                .least = 1,
                .most = gibibyte},
    Key<Config>{.path = "limits.content_memory_bytes",
                .slot = SLOT(Config, limits.content_memory_bytes),
                .description = "Bytes of all bodies together that may be so large, from their arrival until the model "
                               "answers; beyond it 503. While it is asked a turn takes several times its body.",
                .least = 1,
                .most = 1024 * gibibyte},
    Key<Config>{.path = "limits.connections",
                .slot = SLOT(Config, limits.connections),
                .description = "Connections open at once; further ones are answered 503 and closed.",
                .least = 1,
                .most = 1'000'000},
    Key<Config>{.path = "limits.turns",
                .slot = SLOT(Config, limits.turns),
                .description = "Turns that run or wait at once, with or without a client; beyond it 503.",
                .least = 1,
                .most = 1'000'000},
    Key<Config>{.path = "limits.queue_per_session",
                .slot = SLOT(Config, limits.queue_per_session),
                .description = "Turns that may wait for a session's running one; beyond it 409.",
                .least = 0,
                .most = 10'000},
    Key<Config>{.path = "limits.queue_wait_ms",
                .slot = SLOT(Config, limits.queue_wait),
                .description = "The longest that a turn waits for its session's earlier ones; then 409.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "limits.answer_bytes",
                .slot = SLOT(Config, limits.answer_bytes),
                .description = "The largest answer of a model; a turn that goes beyond it fails.",
                .least = 1'024,
                .most = gibibyte},

    Key<Config>{.path = "limits.log_bytes",
                .slot = SLOT(Config, limits.log_bytes),
                .description = "Memory for the events of all turns that run or have just ended. Ended ones go first; a "
                               "new turn for which there is no room is refused with 503.",
                .least = 65'536,
                .most = 1024 * gibibyte},
    Key<Config>{.path = "limits.keep_log_ms",
                .slot = SLOT(Config, limits.keep_log),
                .description = "How long the events of an ended turn stay in memory; after that they are read from the "
                               "store.",
                .least = 0,
                .most = day_ms},
    Key<Config>{.path = "limits.heartbeat_ms",
                .slot = SLOT(Config, limits.heartbeat),
                .description = "A comment is sent on a stream, and a ping on a WebSocket, after this long without an "
                               "event, so that no proxy closes it.",
                .least = 10,
                .most = day_ms},
    Key<Config>{.path = "limits.websocket_idle_ms",
                .slot = SLOT(Config, limits.websocket_idle),
                .description = "A WebSocket whose client sends nothing for this long, not even an answer to a ping, is "
                               "closed.",
                .least = 10,
                .most = day_ms},

    Key<Config>{.path = "checkpoints.interval_ms",
                .slot = SLOT(Config, checkpoints.interval),
                .description = "How often the running turns are saved, all together, for the case of a crash. 0: not "
                               "at all.",
                .least = 0,
                .most = day_ms,
                .default_note = "`250`; `5000` where several processes share the store"},
    Key<Config>{.path = "checkpoints.bytes",
                .slot = SLOT(Config, checkpoints.bytes),
                .description = "A turn with more unsaved text than this is saved sooner.",
                .least = 1,
                .most = gibibyte},

    Key<Config>{.path = "shutdown.grace_ms",
                .slot = SLOT(Config, shutdown_grace),
                .description = "How long running turns may go on after SIGTERM or SIGINT before they are closed as "
                               "interrupted.",
                .least = 0,
                .most = day_ms},

    Key<Config>{.path = "lambda.response",
                .slot = SLOT(Config, lambda.response),
                .description = "As a Lambda function (docs/lambda.md): does its front take answers as they come? An "
                               "event does not say.",
                .allowed = "buffered or streaming",
                .valid = is_lambda_response},
    Key<Config>{.path = "lambda.margin_ms",
                .slot = SLOT(Config, lambda.margin),
                .description = "As a Lambda function: so long before its time is up an invocation ends its turns, so "
                               "that what there is of their answers is stored and can be continued.",
                .least = 100,
                .most = 60'000},
    Key<Config>{.path = "lambda.front_limit_ms",
                .slot = SLOT(Config, lambda.front_limit),
                .description = "As a buffered Lambda function: how long the front waits for an answer.",
                .least = 1'000,
                .most = 900'000,
                .default_note = "29 s behind a REST API, 30 s behind an HTTP API, else the function's own limit"},
    Key<Config>{.path = "lambda.self_invoke",
                .slot = SLOT(Config, lambda.self_invoke),
                .description =
                    "As a Lambda function: the name or ARN of the function (this one, or one of the same code "
                    "with more time) that does what takes time, in asynchronous invocations: messages over "
                    "WebSockets, and turns that come near the end of their front's time.",
                .default_note = "for WebSockets the function's own name (`AWS_LAMBDA_FUNCTION_NAME`), for turns none"},

    Key<Config>{.path = "local_model.base_url",
                .slot = SLOT(Config, local_model.base_url),
                .description =
                    "An OpenAI-compatible server on this machine, which becomes the provider `local`. Set by "
                    "`./dev run`.",
                .allowed = "an http or https URL",
                .valid = is_url_or_empty,
                .default_note = "none"},
    Key<Config>{.path = "local_model.name",
                .slot = SLOT(Config, local_model.name),
                .description = "The id of its model.",
                .default_note = "none"},
    Key<Config>{.path = "local_model.health_url",
                .slot = SLOT(Config, local_model.health_url),
                .description = "Answers 200 once the model is loaded; until then `/readyz` says 503 and turns wait.",
                .allowed = "an http or https URL",
                .valid = is_url_or_empty,
                .default_note = "none: it is taken for ready"},
    Key<Config>{.path = "local_model.context_window",
                .slot = SLOT(Config, local_model.context_window),
                .description = "Tokens of prompt and answer together.",
                .most = 1'000'000'000,
                .default_note = "asked from the server"},
    Key<Config>{.path = "local_model.first_token_ms",
                .slot = SLOT(Config, local_model.first_token),
                .description = "Its `first_token_ms`: a model without a graphics card reads its prompt slowly.",
                .least = 1,
                .most = day_ms},
};

const std::array provider_table = {
    Key<ProviderConfig>{.path = "name",
                        .slot = SLOT(ProviderConfig, name),
                        .description = "What stands before the slash in `model`. An entry of the name of a built-in "
                                       "provider (`anthropic`, `openai`, `openai-responses`, `bedrock`, "
                                       "`bedrock-invoke`, `local`) replaces it.",
                        .allowed = "letters, digits and ._-",
                        .valid = is_provider_name,
                        .default_note = "must be set"},
    Key<ProviderConfig>{
        .path = "kind",
        .slot = SLOT(ProviderConfig, kind),
        .description = "The API that it speaks.",
        .allowed = "anthropic-messages, openai-chat, openai-responses, bedrock-converse or bedrock-invoke",
        .valid = is_kind,
        .default_note = "must be set"},
    Key<ProviderConfig>{.path = "base_url",
                        .slot = SLOT(ProviderConfig, base_url),
                        .description = "`/v1/messages` (anthropic-messages), `/chat/completions` (openai-chat) or "
                                       "`/responses` (openai-responses) is appended; for Bedrock `/model/ID/...`.",
                        .allowed = "an http or https URL",
                        .valid = is_url,
                        .default_note = "`https://api.anthropic.com`, `https://api.openai.com/v1` or Bedrock's address "
                                        "in the region, by kind"},
    Key<ProviderConfig>{.path = "api_key",
                        .slot = SLOT(ProviderConfig, api_key),
                        .description =
                            "The key. One that stands in the file itself earns a warning. For Bedrock a Bedrock "
                            "API key; without one (and without `AWS_BEARER_TOKEN_BEDROCK`) calls are "
                            "signed with AWS credentials ([docs/providers.md](providers.md)).",
                        .allowed = api_key_forms,
                        .default_note = "none is sent"},
    Key<ProviderConfig>{.path = "stream",
                        .slot = SLOT(ProviderConfig, stream),
                        .description =
                            "`always` asks the model to stream whatever the client asked: stalls, cancels and "
                            "partial answers need it. `as_asked` passes the client's choice on.",
                        .allowed = "always or as_asked",
                        .valid = is_stream},
    Key<ProviderConfig>{.path = "api_version",
                        .slot = SLOT(ProviderConfig, api_version),
                        .description = "anthropic-messages only: the version of the API. The older one is proven by "
                                       "recordings of the real API; the newer one only by its documentation.",
                        .allowed = "2023-06-01 or 2026-10-21",
                        .valid = is_api_version},
    Key<ProviderConfig>{
        .path = "region",
        .slot = SLOT(ProviderConfig, region),
        .description = "bedrock-converse and bedrock-invoke only: the AWS region. Calls are signed for "
                       "it, and `base_url` is its address where none is set.",
        .allowed = "the name of an AWS region",
        .valid = is_region,
        .default_note = "`AWS_REGION`, else `AWS_DEFAULT_REGION`, else the AWS profile's, else `us-east-1`"},
    Key<ProviderConfig>{.path = "deadlines.connect_ms",
                        .slot = SLOT(ProviderConfig, connect_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
    Key<ProviderConfig>{.path = "deadlines.first_token_ms",
                        .slot = SLOT(ProviderConfig, first_token_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
    Key<ProviderConfig>{.path = "deadlines.between_tokens_ms",
                        .slot = SLOT(ProviderConfig, between_tokens_limit),
                        .description = "For this provider, in place of the general one.",
                        .least = 1,
                        .most = day_ms,
                        .default_note = "that of `[deadlines]`"},
};

const std::array model_table = {
    Key<ModelConfig>{.path = "name",
                     .slot = SLOT(ModelConfig, name),
                     .description = "The model.",
                     .allowed = "PROVIDER/MODEL",
                     .valid = is_model_name,
                     .default_note = "must be set"},
    Key<ModelConfig>{.path = "context_window",
                     .slot = SLOT(ModelConfig, context_window),
                     .description =
                         "Tokens of prompt and answer together, in place of what is shipped for known models "
                         "and 128000 for unknown ones.",
                     .least = 64,
                     .most = 1'000'000'000,
                     .default_note = "must be set"},
};

const std::array price_table = {
    Key<PriceConfig>{.path = "model",
                     .slot = SLOT(PriceConfig, model),
                     .description =
                         "The model. It goes before the row of the same name in `prices_file` and in what is "
                         "shipped.",
                     .allowed = "PROVIDER/MODEL",
                     .valid = is_model_name,
                     .default_note = "must be set"},
    Key<PriceConfig>{.path = "input",
                     .slot = SLOT(PriceConfig, input),
                     .description = "Tokens of the prompt that no cache had.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "must be set"},
    Key<PriceConfig>{.path = "cache_read",
                     .slot = SLOT(PriceConfig, cache_read),
                     .description = "Tokens of the prompt that were read from a cache.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `input`"},
    Key<PriceConfig>{.path = "cache_write",
                     .slot = SLOT(PriceConfig, cache_write),
                     .description = "Tokens of the prompt that were written to a cache.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `input`"},
    Key<PriceConfig>{.path = "cache_write_long",
                     .slot = SLOT(PriceConfig, cache_write_long),
                     .description = "The same for an hour (Anthropic).",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `cache_write`"},
    Key<PriceConfig>{.path = "output",
                     .slot = SLOT(PriceConfig, output),
                     .description = "Tokens of the answer, reasoning included.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "must be set"},
};

const std::array budget_table = {
    Key<BudgetConfig>{.path = "owner",
                      .slot = SLOT(BudgetConfig, owner),
                      .description =
                          "Whose spending is counted; `*`: every owner has this budget for itself. Either this "
                          "or `session`.",
                      .default_note = "none"},
    Key<BudgetConfig>{.path = "session",
                      .slot = SLOT(BudgetConfig, session),
                      .description = "The session whose spending is counted; `*`: every session has this budget for "
                                     "itself.",
                      .default_note = "none"},
    Key<BudgetConfig>{.path = "per",
                      .slot = SLOT(BudgetConfig, per),
                      .description = "Until when it is counted: a day or a month in UTC, or a session's whole life.",
                      .allowed = "day, month or session",
                      .valid = is_period,
                      .default_note = "must be set"},
    Key<BudgetConfig>{.path = "usd",
                      .slot = SLOT(BudgetConfig, usd),
                      .description = "The most that may be spent.",
                      .allowed = R"(dollars as a text, such as "0.10")",
                      .valid = is_amount,
                      .default_note = "must be set"},
};

const std::array route_table = {
    Key<RouteConfig>{.path = "name",
                     .slot = SLOT(RouteConfig, name),
                     .description = "What a request's `model` says to use it. Not a provider's name.",
                     .allowed = "letters, digits and ._-",
                     .valid = is_provider_name,
                     .default_note = "must be set"},
    Key<RouteConfig>{.path = "targets",
                     .slot = SLOT(RouteConfig, targets),
                     .description =
                         "`PROVIDER/MODEL`, the first choice first. A session stays with the one that answered "
                         "it last while that is healthy.",
                     .default_note = "must be set"},
    Key<RouteConfig>{.path = "hedge",
                     .slot = SLOT(RouteConfig, hedge),
                     .description =
                         "When the second target is started beside a first one that is still silent: after a "
                         "time (`800ms`, `2s`), or after what 95 of 100 calls of this model with a prompt of "
                         "this size stayed under (`p95`). Who is first with content answers; the other is "
                         "closed, and what it cost is reported apart.",
                     .allowed = "off, p95, or a time such as 800ms or 2s",
                     .valid = is_hedge},
};

#undef SLOT

// JSON's strings are TOML's basic strings.
std::string quoted(std::string_view text) {
    std::string out;
    base::append_json_string(out, text);
    return out;
}

struct Formatter {
    std::string operator()(const std::string* text) const { return quoted(*text); }
    std::string operator()(const std::int64_t* number) const { return std::to_string(*number); }
    std::string operator()(const double* number) const { return fmt::format("{}", *number); }
    std::string operator()(const bool* flag) const { return *flag ? "true" : "false"; }
    std::string operator()(const base::Milliseconds* time) const { return std::to_string(time->count()); }
    std::string operator()(const std::optional<base::Milliseconds>* time) const {
        return *time ? std::to_string((*time)->count()) : "\"\"";
    }
    std::string operator()(const ApiKey* key) const {
        return key->reference.empty() ? (*this)(&key->secret) : (*this)(&key->reference);
    }
    std::string operator()(const base::Secret* secret) const { return secret->empty() ? "\"\"" : "\"***\""; }
    std::string operator()(const std::vector<std::string>* texts) const {
        std::string out = "[";
        for (const std::string& text : *texts) {
            if (out.size() > 1) out += ", ";
            out += quoted(text);
        }
        return out + "]";
    }
};

}  // namespace

std::span<const Key<Config>> config_keys() {
    return table;
}
std::span<const Key<ProviderConfig>> provider_keys() {
    return provider_table;
}
std::span<const Key<ModelConfig>> model_keys() {
    return model_table;
}

std::span<const Key<PriceConfig>> price_keys() {
    return price_table;
}
std::span<const Key<BudgetConfig>> budget_keys() {
    return budget_table;
}
std::span<const Key<RouteConfig>> route_keys() {
    return route_table;
}

std::string environment_name(std::string_view path) {
    std::string name = "TERTULIA_";
    for (const char c : path) name += c == '.' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
}

std::string format_value(const Slot& slot) {
    return std::visit(Formatter{}, slot);
}

template <class Owner>
std::string allowed_values(const Key<Owner>& key) {
    Owner owner;
    const Slot slot = key.slot(owner);
    if (std::holds_alternative<bool*>(slot)) return "true or false";
    if (std::holds_alternative<std::vector<std::string>*>(slot)) return "an array of strings";
    if (!key.allowed.empty()) return std::string(key.allowed);
    if (std::holds_alternative<std::string*>(slot)) return "a string";
    if (std::holds_alternative<double*>(slot)) return fmt::format("a number from {} to {}", key.least, key.most);
    const bool is_time = !std::holds_alternative<std::int64_t*>(slot);
    return fmt::format("a whole number{} from {} to {}", is_time ? " of milliseconds" : "", key.least, key.most);
}

template std::string allowed_values(const Key<Config>&);
template std::string allowed_values(const Key<ProviderConfig>&);
template std::string allowed_values(const Key<ModelConfig>&);
template std::string allowed_values(const Key<PriceConfig>&);
template std::string allowed_values(const Key<BudgetConfig>&);
template std::string allowed_values(const Key<RouteConfig>&);

}  // namespace tertulia::app
