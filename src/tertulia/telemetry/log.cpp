#include "tertulia/telemetry/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "tertulia/base/clock.h"
#include "tertulia/base/json.h"
#include "tertulia/base/utf8.h"

namespace tertulia::telemetry {
namespace {

std::string_view name_of(Level level) {
    switch (level) {
        case Level::debug:
            return "debug";
        case Level::info:
            return "info";
        case Level::warn:
            return "warn";
        case Level::error:
            return "error";
        case Level::off:
            return "off";
    }
    return "off";
}

void append_value(std::string& out, const Field& field, Log::Form form) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
        // A header or an operating system's text may hold anything; a log line is always valid UTF-8 and one line.
        const std::string valid = base::valid_utf8(*text);
        const bool plain =
            form == Log::Form::readable && !valid.empty() && valid.find_first_of(" \"\\\n\r\t") == valid.npos;
        if (plain)
            out += valid;
        else
            base::append_json_string(out, valid);
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
        fmt::format_to(std::back_inserter(out), "{}", *number);
    } else if (const auto* real = std::get_if<double>(&field.value)) {
        fmt::format_to(std::back_inserter(out), "{:.3f}", *real);
    } else {
        out += std::get<bool>(field.value) ? "true" : "false";
    }
}

}  // namespace

std::optional<Level> parse_level(std::string_view text) {
    for (const Level level : {Level::debug, Level::info, Level::warn, Level::error, Level::off})
        if (name_of(level) == text) return level;
    return std::nullopt;
}

std::string format_line(Log::Form form, std::string_view time, Level level, std::string_view event,
                        std::initializer_list<Field> fields) {
    std::string out;
    if (form == Log::Form::readable) {
        out = fmt::format("{} {:5} {}", time.size() >= 23 ? time.substr(11, 12) : time, name_of(level), event);
        for (const Field& field : fields) {
            fmt::format_to(std::back_inserter(out), " {}=", field.name);
            append_value(out, field, form);
        }
        return out;
    }
    fmt::format_to(std::back_inserter(out), R"({{"time":"{}","level":"{}","event":)", time, name_of(level));
    base::append_json_string(out, event);
    for (const Field& field : fields) {
        out += ',';
        base::append_json_name(out, field.name);
        append_value(out, field, form);
    }
    out += '}';
    return out;
}

struct Log::Sink {
    // spdlog brings the lock and whole lines; the form is ours, since its patterns do not escape JSON.
    spdlog::logger logger{"tertulia", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

Log::Log(Level level, Form form) : level_(level), form_(form), sink_(std::make_unique<Sink>()) {
    sink_->logger.set_pattern("%v");
    sink_->logger.set_level(spdlog::level::trace);
}

Log::~Log() = default;

void Log::write(Level level, std::string_view event, std::initializer_list<Field> fields) const {
    const std::string line =
        format_line(form_, base::format_timestamp(base::system_clock().wall_us()), level, event, fields);
    sink_->logger.log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace tertulia::telemetry
