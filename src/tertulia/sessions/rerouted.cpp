#include "tertulia/sessions/rerouted.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

namespace tertulia::sessions {

// Names hold no line ends: whoever asks for a model with one is refused.
std::string Rerouted::to_text() const {
    return fmt::format("{}\n{}\n{}\n{}", from, to, reason, kept_chars);
}

std::optional<Rerouted> Rerouted::from_text(std::string_view text) {
    std::array<std::string_view, 4> lines;
    for (std::string_view& line : lines) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    Rerouted rerouted{.from = std::string(lines[0]), .to = std::string(lines[1]), .reason = std::string(lines[2])};
    const auto [end, error] = std::from_chars(lines[3].data(), lines[3].data() + lines[3].size(), rerouted.kept_chars);
    if (error != std::errc() || end != lines[3].data() + lines[3].size() || !text.empty()) return std::nullopt;
    return rerouted;
}

}  // namespace tertulia::sessions
