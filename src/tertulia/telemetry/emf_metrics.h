// What the server counts, for CloudWatch.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"
#include "tertulia/telemetry/metrics.h"

namespace tertulia::telemetry {

/// What such a line is about.
enum class EmfLine { turn, call };

/// One line of CloudWatch's embedded metric format (EMF), without the line end, for an ended turn: namespace
/// `Tertulia`, the metrics `Turns`, `Errors` (0 too), `TurnLatency`, `TimeToFirstToken`, `InputTokens`, `OutputTokens`,
/// `CacheReadTokens`, `CacheWriteTokens`, `ReasoningTokens` and `CostUSD`, for all turns together and by `provider` and
/// `model`; and `Errors` by `code`. Of a call that is no turn: the same, with `Calls` and `CallLatency`. What has many
/// values (the ids, the whole name of the model) are plain members. `model`: the value of that dimension.
std::string format_emf(const EndedTurn& turn, std::string_view model, std::int64_t now_ms,
                       EmfLine what = EmfLine::turn);

/// Writes such a line for each turn and call to standard output, in one write; nothing else is counted. `models`: the
/// names that are values of the dimension; all others are `other` there, since clients may name any.
std::unique_ptr<Metrics> make_emf_metrics(std::vector<std::string> models, const base::Clock& clock);

}  // namespace tertulia::telemetry
