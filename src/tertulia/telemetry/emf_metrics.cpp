#include "tertulia/telemetry/emf_metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"

namespace tertulia::telemetry {
namespace {

constexpr std::string_view by_what = R"([],["provider","model"])";

void append_text(std::string& out, std::string_view name, std::string_view value) {
    out += ',';
    base::append_json_name(out, name);
    base::append_json_string(out, base::valid_utf8(value));
}

template <class Number>
void append_number(std::string& out, std::string_view name, Number value) {
    fmt::format_to(std::back_inserter(out), ",\"{}\":{}", name, value);
}

std::int64_t milliseconds(double seconds) {
    return static_cast<std::int64_t>(seconds * 1000);
}

// Dollars with nine decimals, exactly.
std::string dollars(std::int64_t nano) {
    return fmt::format("{}.{:09}", nano / 1'000'000'000, nano % 1'000'000'000);
}

/// Shared; safe from any thread.
class EmfMetrics final : public Metrics {
  public:
    EmfMetrics(std::vector<std::string> models, const base::Clock& clock) : models_(std::move(models)), clock_(clock) {}

    void turn_ended(const EndedTurn& turn) override { write(turn, EmfLine::turn); }
    void call_ended(const EndedTurn& call) override { write(call, EmfLine::call); }
    std::string render() const override { return "# Metrics are written for CloudWatch, not kept here.\n"; }

  private:
    void write(const EndedTurn& ended, EmfLine what) const {
        const bool is_known = std::ranges::find(models_, ended.model) != models_.end();
        const std::string_view model = ended.model.empty() ? "none" : is_known ? ended.model : "other";
        std::string line = format_emf(ended, model, clock_.wall_us() / 1000, what);
        line += '\n';
        // One write, as a rule: lines of other threads, and the log's, do not get in between.
        for (std::string_view rest = line; !rest.empty();) {
            const ssize_t written = ::write(STDOUT_FILENO, rest.data(), rest.size());
            if (written < 0 && errno != EINTR) return;
            rest.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(0, written)));
        }
    }

    const std::vector<std::string> models_;
    const base::Clock& clock_;
};

}  // namespace

std::string format_emf(const EndedTurn& turn, std::string_view model, std::int64_t now_ms, EmfLine what) {
    std::string metrics, values;
    const auto add = [&](std::string_view name, std::string_view unit, auto value) {
        fmt::format_to(std::back_inserter(metrics), R"({}{{"Name":"{}","Unit":"{}"}})", metrics.empty() ? "" : ",",
                       name, unit);
        append_number(values, name, value);
    };
    const bool failed = !turn.code.empty();
    const bool is_turn = what == EmfLine::turn;
    add(is_turn ? "Turns" : "Calls", "Count", 1);
    add("Errors", "Count", failed ? 1 : 0);
    add(is_turn ? "TurnLatency" : "CallLatency", "Milliseconds", milliseconds(turn.seconds));
    if (turn.first_token_seconds) add("TimeToFirstToken", "Milliseconds", milliseconds(*turn.first_token_seconds));
    add("InputTokens", "Count", turn.input);
    add("OutputTokens", "Count", turn.output);
    add("CacheReadTokens", "Count", turn.cache_read);
    add("CacheWriteTokens", "Count", turn.cache_write);
    add("ReasoningTokens", "Count", turn.reasoning);
    if (turn.cost_nano) add("CostUSD", "None", dollars(*turn.cost_nano));

    std::string out = fmt::format(R"({{"_aws":{{"Timestamp":{},"CloudWatchMetrics":[)", now_ms);
    fmt::format_to(std::back_inserter(out), R"({{"Namespace":"Tertulia","Dimensions":[{}],"Metrics":[{}]}})", by_what,
                   metrics);
    if (failed)
        out += R"(,{"Namespace":"Tertulia","Dimensions":[["code"]],"Metrics":[{"Name":"Errors","Unit":"Count"}]})";
    out += "]}";
    append_text(out, "provider", turn.provider);
    append_text(out, "model", model);
    if (failed) append_text(out, "code", turn.code);
    out += values;
    append_text(out, "state", turn.state);
    append_text(out, "answered_by", turn.model);
    if (is_turn) append_text(out, "session_id", turn.session_id);
    if (is_turn) append_text(out, "turn_id", turn.turn_id);
    append_text(out, "request_id", turn.request_id);
    out += '}';
    return out;
}

std::unique_ptr<Metrics> make_emf_metrics(std::vector<std::string> models, const base::Clock& clock) {
    return std::make_unique<EmfMetrics>(std::move(models), clock);
}

}  // namespace tertulia::telemetry
