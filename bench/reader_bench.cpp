// The readers of Anthropic's answers and of Bedrock's, beside each other on the same text.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/support/aws_frame.h"
#include "net.h"
#include "tertulia/base/base64.h"
#include "tertulia/providers/bedrock_converse_wire.h"
#include "tertulia/providers/bedrock_invoke_wire.h"

namespace {

using namespace tertulia;

constexpr std::size_t rounds = 11;
constexpr std::size_t deltas = 20'000;
constexpr std::size_t piece = 4096;
constexpr std::string_view padding = "abcdefghijklmnopqrstuvwx";  // as all three vendors send

std::string anthropic_delta(std::string_view text) {
    return R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")" + std::string(text) +
           R"("}})";
}

std::string sse(const std::string& json) {
    return "event: x\ndata: " + json + std::string(padding.size(), ' ') + "\n\n";
}

std::string chunk(const std::string& json) {
    return support::aws_event(
        "chunk", R"({"bytes":")" + base::encode_base64(json) + R"(","p":")" + std::string(padding) + "\"}");
}

std::string converse_delta(std::string_view text) {
    return support::aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":")" + std::string(text) +
                                                       R"("},"p":")" + std::string(padding) + "\"}");
}

struct Way {
    const char* name;
    std::string stream;
    std::unique_ptr<providers::WireReader> (*make_reader)();
};

std::array<Way, 3> make_ways(std::size_t text_size) {
    std::array<Way, 3> ways = {{
        {"anthropic (SSE)",
         {},
         []() -> std::unique_ptr<providers::WireReader> {
             return std::make_unique<providers::AnthropicReader>("text/event-stream", base::Secret());
         }},
        {"bedrock-converse",
         {},
         []() -> std::unique_ptr<providers::WireReader> {
             return std::make_unique<providers::BedrockConverseReader>(aws::event_stream_type, base::Secret());
         }},
        {"bedrock-invoke",
         {},
         []() -> std::unique_ptr<providers::WireReader> {
             return std::make_unique<providers::BedrockInvokeReader>(aws::event_stream_type, base::Secret(), "model");
         }},
    }};
    const std::string text(text_size, 'w');
    for (std::size_t i = 0; i < deltas; ++i) {
        ways[0].stream += sse(anthropic_delta(text));
        ways[1].stream += converse_delta(text);
        ways[2].stream += chunk(anthropic_delta(text));
    }
    return ways;
}

/// MB/s of answer text.
double measure(const Way& way, std::size_t text_size) {
    const auto reader = way.make_reader();
    chat::AnswerEvents events;
    std::size_t seen = 0;
    const std::int64_t start = bench::thread_cpu_ns();
    for (std::size_t at = 0; at < way.stream.size(); at += piece) {
        events.clear();
        if (!reader->feed(std::string_view(way.stream).substr(at, piece), events)) bench::fail(way.name);
        seen += events.byte_size();
    }
    const auto ns = static_cast<double>(bench::thread_cpu_ns() - start);
    if (seen != deltas * text_size) bench::fail("the reader lost something");
    return static_cast<double>(seen) / ns * 1e3;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

}  // namespace

int main() {
    std::printf("%6s  %-18s %10s %10s\n", "text", "reader", "MB/s", "of SSE");
    for (const std::size_t text_size : {12, 100, 1000}) {
        const std::array<Way, 3> ways = make_ways(text_size);
        std::array<std::vector<double>, 3> rates, ratios;
        for (std::size_t round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < ways.size(); ++i) {
                rates[i].push_back(measure(ways[i], text_size));
                ratios[i].push_back(rates[i].back() / rates[0].back());
            }
        }
        for (std::size_t i = 0; i < ways.size(); ++i)
            std::printf("%6zu  %-18s %10.1f %10.2f\n", text_size, ways[i].name, median(rates[i]), median(ratios[i]));
    }
    return 0;
}
