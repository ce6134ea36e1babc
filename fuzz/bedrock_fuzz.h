// What the fuzzers of Bedrock's readers share.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "../tests/support/aws_frame.h"
#include "reader_fuzz.h"
#include "tertulia/aws/event_stream.h"

namespace tertulia::fuzz {

// The first two bytes say how: whole, as the bytes of a stream, or as messages with right checksums, one per line (its
// first character chooses the type, the rest is the payload, which `payload_of` may wrap); and where the body is cut.
template <class MakeReader>
void fuzz_bedrock(const std::uint8_t* data, std::size_t size, const MakeReader& make_reader,
                  const std::function<std::string(std::string_view)>& payload_of) {
    if (size < 2) return;
    std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
    if (data[0] % 8 == 0) return fuzz_body([&] { return make_reader("application/json"); }, rest, data[1]);
    std::string body;
    if (data[0] % 8 == 1) body = rest;
    constexpr std::array<std::string_view, 8> types = {
        "messageStart", "contentBlockStart",   "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
        "chunk",        "throttlingException",
    };
    while (data[0] % 8 > 1 && !rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (line.empty()) continue;
        const std::string_view type = types[static_cast<unsigned char>(line[0]) % types.size()];
        const std::string payload = payload_of(line.substr(1));
        body += type.ends_with("Exception") ? support::aws_exception(type, payload) : support::aws_event(type, payload);
    }
    fuzz_body([&] { return make_reader(aws::event_stream_type); }, body, data[1] * std::size_t(7));
}

}  // namespace tertulia::fuzz
