// The event-stream parser gives the same events for the same bytes, whole and cut.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/http/sse_parser.h"

namespace {

using tertulia::http::SseEvent;
using tertulia::http::SseParser;

struct Outcome {
    std::vector<std::string> parts;
    bool ok = true;
    bool operator==(const Outcome&) const = default;
};

void feed(SseParser& parser, std::string_view bytes, Outcome& outcome) {
    const std::vector<char> copy(bytes.begin(), bytes.end());  // gone after the call, so that no view may be kept
    const auto fed = parser.feed({copy.data(), copy.size()}, [&](const SseEvent& event) {
        for (const std::string_view part : {event.type, event.data, event.last_event_id})
            outcome.parts.emplace_back(part);
    });
    outcome.ok = outcome.ok && fed.has_value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t step = data[0] % 16 + 1;
    const std::size_t limit = data[1] % 2 ? 64 : SseParser::default_max_event;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

    SseParser whole(limit), cut(limit);
    Outcome expected, outcome;
    feed(whole, bytes, expected);
    for (std::size_t at = 0; at < bytes.size(); at += step) feed(cut, bytes.substr(at, step), outcome);
    if (outcome != expected || whole.retry_ms() != cut.retry_ms()) std::abort();
    return 0;
}
