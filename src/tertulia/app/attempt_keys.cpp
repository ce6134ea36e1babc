#include "tertulia/app/config_sections.h"

#include <array>

namespace tertulia::app {
namespace {

const std::array table = {
    Key<Config>{.path = "deadlines.connect_ms",
                .slot = TERTULIA_SLOT(Config, deadlines.connect),
                .description = "To reach a provider: name look-up, connection, TLS.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.first_token_ms",
                .slot = TERTULIA_SLOT(Config, deadlines.first_token),
                .description = "From the request to the first token of the answer. Pings do not count; a token of "
                               "thinking does.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.between_tokens_ms",
                .slot = TERTULIA_SLOT(Config, deadlines.between_tokens),
                .description = "From one token to the next.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "deadlines.turn_ms",
                .slot = TERTULIA_SLOT(Config, deadlines.turn),
                .description = "For a whole turn.",
                .least = 1,
                .most = day_ms},
    Key<Config>{.path = "retry.attempts",
                .slot = TERTULIA_SLOT(Config, retry.attempts),
                .description =
                    "Calls of one model within a turn, the first included, where it is overloaded, cannot be "
                    "reached, or breaks off before its first token.",
                .least = 1,
                .most = 20},
    Key<Config>{.path = "retry.base_ms",
                .slot = TERTULIA_SLOT(Config, retry.base),
                .description =
                    "Before a retry a random part of this is waited, or what the provider asks for where that "
                    "is longer. Doubled by each further retry of the same model.",
                .least = 1,
                .most = 60'000},
    Key<Config>{.path = "retry.max_ms",
                .slot = TERTULIA_SLOT(Config, retry.max),
                .description = "The doubling ends here.",
                .least = 1,
                .most = 600'000},
    Key<Config>{.path = "retry.budget",
                .slot = TERTULIA_SLOT(Config, retry.budget),
                .description = "Retries as a share of requests, of the whole process: a bucket that starts with 10 and "
                               "gains this by each request, so that retries are no load of their own when everything "
                               "fails. 1.0: no limit.",
                .least = 0,
                .most = 1},
    Key<Config>{.path = "breaker.failures",
                .slot = TERTULIA_SLOT(Config, breaker.failures),
                .description = "After so many failures in a row a provider is passed over, and asked only from time to "
                               "time whether it answers again. 0: never.",
                .least = 0,
                .most = 1'000'000},
    Key<Config>{.path = "breaker.probe_ms",
                .slot = TERTULIA_SLOT(Config, breaker.probe),
                .description = "How long until it is asked the first time; doubled each time it fails, up to fourfold.",
                .least = 1,
                .most = day_ms},
};

}  // namespace

std::span<const Key<Config>> attempt_keys() {
    return table;
}

}  // namespace tertulia::app
