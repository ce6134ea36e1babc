#include "tertulia/app/config_sections.h"

#include <array>

namespace tertulia::app {
namespace {

const std::array table = {
    Key<Config>{.path = "limits.body_bytes",
                .slot = TERTULIA_SLOT(Config, limits.body_bytes),
                .description = "The largest request body; beyond it 413.",
                .least = 1,
                .most = gibibyte},
    Key<Config>{.path = "limits.content_bytes",
                .slot = TERTULIA_SLOT(Config, limits.content_bytes),
                .description =
                    "The largest body of POST /chat whose content begins within limits.body_bytes; beyond it "
                    "413. Not more than limits.body_bytes: such bodies are nothing special.",
                .least = 1,
                .most = gibibyte},
    Key<Config>{.path = "limits.content_memory_bytes",
                .slot = TERTULIA_SLOT(Config, limits.content_memory_bytes),
                .description = "Bytes of all bodies together that may be so large, from their arrival until the model "
                               "answers; beyond it 503. While it is asked a turn takes several times its body.",
                .least = 1,
                .most = 1024 * gibibyte},
    Key<Config>{.path = "limits.connections",
                .slot = TERTULIA_SLOT(Config, limits.connections),
                .description =
                    "Connections open at once; further ones are answered 503 and closed. Each of the `workers` "
                    "takes an equal part of them, whatever the others have.",
                .least = 1,
                .most = 1'000'000},
    Key<Config>{.path = "limits.turns",
                .slot = TERTULIA_SLOT(Config, limits.turns),
                .description = "Turns that run or wait at once, with or without a client; beyond it 503.",
                .least = 1,
                .most = 1'000'000},
    Key<Config>{.path = "limits.queue_per_session",
                .slot = TERTULIA_SLOT(Config, limits.queue_per_session),
                .description = "Turns that may wait for a session's running one; beyond it 409.",
                .least = 0,
                .most = 10'000},
    Key<Config>{.path = "limits.queue_wait_ms",
                .slot = TERTULIA_SLOT(Config, limits.queue_wait),
                .description = "The longest that a turn waits for its session's earlier ones; then 409.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "limits.answer_bytes",
                .slot = TERTULIA_SLOT(Config, limits.answer_bytes),
                .description = "The largest answer of a model; a turn that goes beyond it fails.",
                .least = 1'024,
                .most = gibibyte},
    Key<Config>{.path = "limits.log_bytes",
                .slot = TERTULIA_SLOT(Config, limits.log_bytes),
                .description = "Memory for the events of all turns that run or have just ended. Ended ones go first; a "
                               "new turn for which there is no room is refused with 503; one that runs fails (503) "
                               "where the others have come to take twice as much.",
                .least = 65'536,
                .most = 1024 * gibibyte},
    Key<Config>{.path = "limits.keep_log_ms",
                .slot = TERTULIA_SLOT(Config, limits.keep_log),
                .description = "How long the events of an ended turn stay in memory; after that they are read from the "
                               "store.",
                .least = 0,
                .most = day_ms},
    Key<Config>{.path = "limits.heartbeat_ms",
                .slot = TERTULIA_SLOT(Config, limits.heartbeat),
                .description = "A comment is sent on a stream, and a ping on a WebSocket, after this long without an "
                               "event, so that no proxy closes it.",
                .least = 10,
                .most = day_ms},
    Key<Config>{.path = "limits.websocket_idle_ms",
                .slot = TERTULIA_SLOT(Config, limits.websocket_idle),
                .description = "A WebSocket whose client sends nothing for this long, not even an answer to a ping, is "
                               "closed.",
                .least = 10,
                .most = day_ms},
    Key<Config>{.path = "checkpoints.interval_ms",
                .slot = TERTULIA_SLOT(Config, checkpoints.interval),
                .description = "How often the running turns are saved, all together, for the case of a crash. 0: not "
                               "at all.",
                .least = 0,
                .most = day_ms,
                .default_note = "`250`; `5000` where several processes share the store"},
    Key<Config>{.path = "checkpoints.bytes",
                .slot = TERTULIA_SLOT(Config, checkpoints.bytes),
                .description = "A turn with more unsaved text than this is saved sooner.",
                .least = 1,
                .most = gibibyte},
    Key<Config>{.path = "shutdown.grace_ms",
                .slot = TERTULIA_SLOT(Config, shutdown_grace),
                .description = "How long running turns may go on after SIGTERM or SIGINT before they are closed as "
                               "interrupted.",
                .least = 0,
                .most = day_ms},
};

}  // namespace

std::span<const Key<Config>> limit_keys() {
    return table;
}

}  // namespace tertulia::app
