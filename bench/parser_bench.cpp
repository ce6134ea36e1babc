// The parsers of SSE and of AWS event streams, beside each other on the same answer.
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net.h"
#include "tertulia/aws/event_stream.h"
#include "tertulia/http/sse_parser.h"

namespace {

using namespace tertulia;

constexpr std::size_t rounds = 11;
constexpr std::size_t bytes_per_round = std::size_t(256) << 20;

std::string u32(std::size_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
}

std::string crc_of(std::string_view bytes) {
    return u32(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::string text_header(std::string_view name, std::string_view value) {
    std::string header(1, static_cast<char>(name.size()));
    header += name;
    header += '\7';
    header += u32(value.size()).substr(2);
    header += value;
    return header;
}

std::string as_frame(std::string_view payload) {
    const std::string headers = text_header(":event-type", "contentBlockDelta") +
                                text_header(":content-type", "application/json") +
                                text_header(":message-type", "event");
    std::string frame = u32(16 + headers.size() + payload.size()) + u32(headers.size());
    frame += crc_of(frame);
    frame += headers;
    frame += payload;
    frame += crc_of(frame);
    return frame;
}

std::string as_sse(std::string_view payload) {
    std::string event = "event: contentBlockDelta\ndata: ";
    event += payload;
    event += "\n\n";
    return event;
}

/// The same payloads in both forms.
struct Streams {
    std::string sse, frames;
    std::size_t payload_bytes = 0;
};

Streams make_streams(std::size_t text_size) {
    const std::string text = std::string(text_size, 'w');
    const std::string payload = R"({"contentBlockIndex":0,"delta":{"text":")" + text + R"("},"p":"abcdefghijklmnop"})";
    Streams streams;
    while (streams.frames.size() < std::size_t(1) << 20) {
        streams.sse += as_sse(payload);
        streams.frames += as_frame(payload);
        streams.payload_bytes += payload.size();
    }
    return streams;
}

/// MB/s of payloads.
template <class Parser, class Message>
double measure(const std::string& stream, std::size_t payload_bytes, std::size_t piece, auto payload_of) {
    const std::size_t times = bytes_per_round / stream.size();
    std::size_t seen = 0;
    const std::int64_t start = bench::thread_cpu_ns();
    for (std::size_t i = 0; i < times; ++i) {
        Parser parser;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            const auto fed = parser.feed(std::string_view(stream).substr(at, piece),
                                         [&](const Message& message) { seen += payload_of(message).size(); });
            if (!fed) bench::fail(fed.error().message);
        }
    }
    const auto ns = static_cast<double>(bench::thread_cpu_ns() - start);
    if (seen != times * payload_bytes) bench::fail("the parser lost something");
    return static_cast<double>(seen) / ns * 1e3;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void compare(std::size_t text_size, std::size_t piece) {
    const Streams streams = make_streams(text_size);
    std::vector<double> sse, frames, ratios;
    for (std::size_t round = 0; round < rounds; ++round) {
        sse.push_back(measure<http::SseParser, http::SseEvent>(streams.sse, streams.payload_bytes, piece,
                                                               [](const http::SseEvent& event) { return event.data; }));
        frames.push_back(measure<aws::EventStreamParser, aws::EventStreamMessage>(
            streams.frames, streams.payload_bytes, piece,
            [](const aws::EventStreamMessage& message) { return message.payload; }));
        ratios.push_back(frames.back() / sse.back());
    }
    std::printf("%6zu %8zu %10.0f %14.0f %8.2f\n", text_size, piece, median(sse), median(frames),
                median(std::move(ratios)));
}

}  // namespace

int main() {
    std::printf("%6s %8s %10s %14s %8s\n", "text", "pieces", "SSE MB/s", "eventstream", "ratio");
    for (const std::size_t text_size : {12, 100, 1000})
        for (const std::size_t piece : {200, 4096, 65536}) compare(text_size, piece);
    return 0;
}
