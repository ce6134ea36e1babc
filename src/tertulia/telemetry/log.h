// Structured logs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "tertulia/base/error.h"

namespace tertulia::telemetry {

enum class Level { debug, info, warn, error, off };

/// `debug`, `info`, `warn`, `error` or `off`.
std::optional<Level> parse_level(std::string_view text);

/// One member of a log line.
struct Field {
    std::string_view name;
    std::variant<std::string_view, std::int64_t, double, bool> value;

    Field(std::string_view n, std::string_view v) : name(n), value(v) {}
    Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
    Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
    Field(std::string_view n, bool v) : name(n), value(v) {}
    Field(std::string_view n, double v) : name(n), value(v) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Field(std::string_view n, T v) : name(n), value(static_cast<std::int64_t>(v)) {}
};

/// Writes one line per event to standard error: a JSON object (`time`, `level`, `event`, then the fields), or a
/// readable form where standard error is a terminal. Never give it message text or keys. Shared; safe from any thread.
class Log {
  public:
    enum class Form { json, readable };

    /// To standard error.
    Log(Level level, Form form);
    ~Log();
    Log(const Log&) = delete;

    bool enabled(Level level) const { return level >= level_; }

    /// `event`: a few stable words ("turn ended").
    void write(Level level, std::string_view event, std::initializer_list<Field> fields = {}) const;
    void debug(std::string_view event, std::initializer_list<Field> fields = {}) const {
        if (enabled(Level::debug)) write(Level::debug, event, fields);
    }
    void info(std::string_view event, std::initializer_list<Field> fields = {}) const {
        if (enabled(Level::info)) write(Level::info, event, fields);
    }
    void warn(std::string_view event, std::initializer_list<Field> fields = {}) const {
        if (enabled(Level::warn)) write(Level::warn, event, fields);
    }
    void error(std::string_view event, std::initializer_list<Field> fields = {}) const {
        if (enabled(Level::error)) write(Level::error, event, fields);
    }

  private:
    Level level_;
    Form form_;
    struct Sink;
    std::unique_ptr<Sink> sink_;
};

/// The line as `Log` writes it, without the line end (for tests). `time`: an ISO 8601 text.
std::string format_line(Log::Form form, std::string_view time, Level level, std::string_view event,
                        std::initializer_list<Field> fields);

}  // namespace tertulia::telemetry
