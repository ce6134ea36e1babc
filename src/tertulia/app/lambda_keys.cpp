#include "tertulia/app/config_sections.h"

#include <array>

namespace tertulia::app {
namespace {

bool is_lambda_response(std::string_view text) {
    return one_of(text, "buffered", "streaming");
}

const std::array table = {
    Key<Config>{.path = "lambda.response",
                .slot = TERTULIA_SLOT(Config, lambda.response),
                .description = "As a Lambda function (docs/lambda.md): does its front take answers as they come? An "
                               "event does not say.",
                .allowed = "buffered or streaming",
                .valid = is_lambda_response},
    Key<Config>{.path = "lambda.margin_ms",
                .slot = TERTULIA_SLOT(Config, lambda.margin),
                .description = "As a Lambda function: so long before its time is up an invocation ends its turns, so "
                               "that what there is of their answers is stored and can be continued.",
                .least = 100,
                .most = 60'000},
    Key<Config>{.path = "lambda.front_limit_ms",
                .slot = TERTULIA_SLOT(Config, lambda.front_limit),
                .description = "As a buffered Lambda function: how long the front waits for an answer.",
                .least = 1'000,
                .most = 900'000,
                .default_note = "29 s behind a REST API, 30 s behind an HTTP API, else the function's own limit"},
    Key<Config>{.path = "lambda.self_invoke",
                .slot = TERTULIA_SLOT(Config, lambda.self_invoke),
                .description =
                    "As a Lambda function: the name or ARN of the function (this one, or one of the same code "
                    "with more time) that does what takes time, in asynchronous invocations: messages over "
                    "WebSockets, and turns that come near the end of their front's time.",
                .default_note = "for WebSockets the function's own name (`AWS_LAMBDA_FUNCTION_NAME`), for turns none"},
    Key<Config>{.path = "lambda.websocket",
                .slot = TERTULIA_SLOT(Config, lambda.websocket),
                .description =
                    "There is a WebSocket API whose function has its sessions in the same DynamoDB tables: every turn "
                    "of this process looks for clients there that subscribe to its session (at its start, every two "
                    "seconds, after its end), and posts them its events. Turns that come over such a WebSocket do so "
                    "anyway. Also for a server."},
};

}  // namespace

std::span<const Key<Config>> lambda_keys() {
    return table;
}

}  // namespace tertulia::app
