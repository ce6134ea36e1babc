// An answer that went on at another model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tertulia::sessions {

/// What `turn.rerouted` says. Value.
struct Rerouted {
    /// `provider/model`, both.
    std::string from;
    std::string to;
    /// The name of the failure's code.
    std::string reason;
    /// Unicode code points of the text that was kept; 0: the answer begins anew.
    std::int64_t kept_chars = 0;
    bool operator==(const Rerouted&) const = default;

    /// As the event's text in a turn's log, and back; nothing where it is not that.
    std::string to_text() const;
    static std::optional<Rerouted> from_text(std::string_view text);
};

}  // namespace tertulia::sessions
