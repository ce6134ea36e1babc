// The parser of AWS event streams gives the same messages for the same bytes, whole and cut; with the checksums mended,
// so that what lies behind them is reached too.
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/aws/event_stream.h"

namespace {

using tertulia::aws::EventStreamMessage;
using tertulia::aws::EventStreamParser;

struct Outcome {
    std::vector<std::string> parts;
    bool ok = true;
    bool between = true;
    bool operator==(const Outcome&) const = default;
};

void feed(EventStreamParser& parser, std::string_view bytes, Outcome& outcome) {
    const std::vector<char> copy(bytes.begin(), bytes.end());  // gone after the call, so that no view may be kept
    const auto fed = parser.feed({copy.data(), copy.size()}, [&](const EventStreamMessage& message) {
        for (const std::string_view part :
             {message.message_type, message.event_type, message.exception_type, message.error_code,
              message.error_message, message.content_type, message.payload})
            outcome.parts.emplace_back(part);
    });
    outcome.ok = fed.has_value();
    outcome.between = parser.is_between_messages();
}

void write_crc(std::string& bytes, std::size_t from, std::size_t at) {
    const auto crc = static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data() + from), static_cast<uInt>(at - from)));
    for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(crc >> (24 - 8 * i) & 0xff);
}

// Gives every frame its right checksums, and lengths that are small.
void mend(std::string& bytes) {
    for (std::size_t at = 0; at + 16 <= bytes.size();) {
        bytes[at] = bytes[at + 1] = bytes[at + 4] = bytes[at + 5] = 0;
        const std::size_t total =
            std::size_t(static_cast<unsigned char>(bytes[at + 2])) << 8 | static_cast<unsigned char>(bytes[at + 3]);
        write_crc(bytes, at, at + 8);
        if (total < 16 || at + total > bytes.size()) return;
        write_crc(bytes, at, at + total - 4);
        at += total;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 3) return 0;
    const std::size_t step = data[0] % 32 + 1;
    const std::size_t limit = data[1] % 2 ? 256 : EventStreamParser::default_max_message;
    std::string bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
    if (data[2] % 4) mend(bytes);

    EventStreamParser whole(limit), cut(limit);
    Outcome expected, outcome;
    feed(whole, bytes, expected);
    for (std::size_t at = 0; at < bytes.size(); at += step)
        feed(cut, std::string_view(bytes).substr(at, step), outcome);
    if (outcome != expected) std::abort();
    return 0;
}
