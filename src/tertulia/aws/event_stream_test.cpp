#include "tertulia/aws/event_stream.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "support/recordings.h"

namespace tertulia::aws {
namespace {

using support::read_file;
using support::shared_data;

struct Message {
    std::string message_type, event_type, exception_type, error_code, error_message, content_type, payload;
    bool operator==(const Message&) const = default;
};

struct Outcome {
    std::vector<Message> messages;
    bool ok = true;
    bool between = true;
    std::string problem;
    bool operator==(const Outcome&) const = default;
};

void feed(EventStreamParser& parser, std::string_view bytes, Outcome& outcome) {
    const std::vector<char> copy(bytes.begin(), bytes.end());  // gone after the call, so that no view may be kept
    const auto fed = parser.feed({copy.data(), copy.size()}, [&](const EventStreamMessage& m) {
        outcome.messages.push_back({std::string(m.message_type), std::string(m.event_type),
                                    std::string(m.exception_type), std::string(m.error_code),
                                    std::string(m.error_message), std::string(m.content_type), std::string(m.payload)});
    });
    outcome.ok = fed.has_value();
    outcome.between = parser.is_between_messages();
    if (!fed) {
        EXPECT_EQ(fed.error().code, base::Errc::upstream_unavailable);
        outcome.problem = fed.error().message;
    }
}

Outcome parse(std::string_view bytes, std::size_t limit = EventStreamParser::default_max_message) {
    EventStreamParser parser(limit);
    Outcome outcome;
    feed(parser, bytes, outcome);
    return outcome;
}

Outcome parse_in_pieces(std::string_view bytes, std::size_t size) {
    EventStreamParser parser;
    Outcome outcome;
    for (std::size_t at = 0; at < bytes.size(); at += size) feed(parser, bytes.substr(at, size), outcome);
    return outcome;
}

Outcome parse_cut_at(std::string_view bytes, std::size_t at) {
    EventStreamParser parser;
    Outcome outcome;
    feed(parser, bytes.substr(0, at), outcome);
    feed(parser, bytes.substr(at), outcome);
    return outcome;
}

std::string from_hex(std::string_view hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return bytes;
}

std::string u32(std::uint32_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
}

std::uint32_t crc_of(std::string_view bytes) {
    return static_cast<std::uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

// A frame whose checksums are right, whatever its lengths say.
std::string frame_of(std::uint32_t total, std::uint32_t headers_size, std::string_view headers,
                     std::string_view payload) {
    std::string frame = u32(total) + u32(headers_size);
    frame += u32(crc_of(frame));
    frame += headers;
    frame += payload;
    return frame + u32(crc_of(frame));
}

std::string frame_of(std::string_view headers, std::string_view payload) {
    return frame_of(static_cast<std::uint32_t>(16 + headers.size() + payload.size()),
                    static_cast<std::uint32_t>(headers.size()), headers, payload);
}

std::string text_header(std::string_view name, std::string_view value) {
    std::string header(1, static_cast<char>(name.size()));
    header += name;
    header += '\7';
    header += u32(static_cast<std::uint32_t>(value.size())).substr(2);
    header += value;
    return header;
}

// Made with @smithy/core's encoder.
const std::string golden_event = from_hex(
    "0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d747970"
    "650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b49"
    "6e646578223a302c2264656c7461223a7b2274657874223a226869227d7dde556953");
const std::string golden_exception = from_hex(
    "0000008300000061a9d144e50f3a657863657074696f6e2d747970650700137468726f74746c696e67457863657074696f6e0d3a636f6e7465"
    "6e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070009657863657074696f6e7b226d6573"
    "73616765223a22736c6f77227d9350311c");

TEST(EventStream, ReadsTheGoldenFramesCutAtEveryByte) {
    const std::string stream = golden_event + golden_exception;
    const std::vector<Message> expected{
        {.message_type = "event",
         .event_type = "contentBlockDelta",
         .content_type = "application/json",
         .payload = R"({"contentBlockIndex":0,"delta":{"text":"hi"}})"},
        {.message_type = "exception",
         .exception_type = "throttlingException",
         .content_type = "application/json",
         .payload = R"({"message":"slow"})"},
    };
    for (std::size_t at = 0; at <= stream.size(); ++at) {
        const Outcome outcome = parse_cut_at(stream, at);
        EXPECT_TRUE(outcome.ok && outcome.between) << at;
        EXPECT_EQ(outcome.messages, expected) << at;
    }
    EXPECT_EQ(parse_in_pieces(stream, 1).messages, expected);
}

TEST(EventStream, ReadsAnErrorMessage) {
    const Outcome outcome = parse(frame_of(
        text_header(":message-type", "error") + text_header(":error-code", "500") + text_header(":error-message", "no"),
        ""));
    EXPECT_EQ(outcome.messages,
              (std::vector<Message>{{.message_type = "error", .error_code = "500", .error_message = "no"}}));
}

TEST(EventStream, IsBetweenMessagesOnlyWhereOneEnds) {
    const std::string stream = golden_event + golden_exception;
    for (std::size_t size = 0; size <= stream.size(); ++size) {
        const Outcome outcome = parse(stream.substr(0, size));
        EXPECT_TRUE(outcome.ok);
        EXPECT_EQ(outcome.between, size == 0 || size == golden_event.size() || size == stream.size()) << size;
    }
}

TEST(EventStream, ADamagedByteAnywhereBreaksTheStreamForGood) {
    for (std::size_t at = 0; at < golden_exception.size(); ++at) {
        std::string damaged = golden_exception;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        EventStreamParser parser;
        Outcome outcome;
        feed(parser, golden_event + damaged, outcome);
        feed(parser, golden_event, outcome);  // a length that grew may wait for more
        EXPECT_EQ(outcome.messages.size(), 1) << at;
        EXPECT_FALSE(outcome.between) << at;
        EXPECT_FALSE(outcome.ok) << at;
        feed(parser, golden_event, outcome);
        EXPECT_FALSE(outcome.ok) << at;
        EXPECT_EQ(outcome.messages.size(), 1) << at;
    }
}

TEST(EventStream, RefusesWhatIsMalformedUnderRightChecksums) {
    struct Case {
        std::string name, frame, problem;
    };
    const std::string body(100, 'x');
    const std::string with_name = text_header(":event-type", "e");
    using namespace std::string_literals;
    const Case cases[] = {
        {"shorter than a frame", frame_of(15, 0, "", ""), "contradict"},
        {"of no length", frame_of(0, 0, "", ""), "contradict"},
        {"headers longer than the message", frame_of(116, 101, "", body), "contradict"},
        {"headers of the greatest length", frame_of(116, 0xffffffff, "", body), "contradict"},
        {"the greatest length", frame_of(0xffffffff, 0, "", body), "too long"},
        {"too many headers", frame_of(1 << 20, (128 << 10) + 1, "", ""), "too long"},
        {"a header without a name", frame_of("\0\0"s, ""), "header"},
        {"a name that is cut off", frame_of("\5abc"s, ""), "header"},
        {"a header without a type", frame_of("\3abc"s, ""), "header"},
        {"a type that does not exist", frame_of("\3abc\x0a"s, ""), "header"},
        {"a byte that is cut off", frame_of("\3abc\2"s, ""), "header"},
        {"a short that is cut off", frame_of("\3abc\3z"s, ""), "header"},
        {"an integer that is cut off", frame_of("\3abc\4zzz"s, ""), "header"},
        {"a long that is cut off", frame_of("\3abc\5zzzzzzz"s, ""), "header"},
        {"a time that is cut off", frame_of("\3abc\10zzzzzzz"s, ""), "header"},
        {"a uuid that is cut off", frame_of("\3abc\11zzzzzzzzzzzzzzz"s, ""), "header"},
        {"a length of bytes that is cut off", frame_of("\3abc\6\0"s, ""), "header"},
        {"bytes that are cut off", frame_of("\3abc\6\0\2z"s, ""), "header"},
        {"a text that reaches into the payload", frame_of("\3abc\7\0\2z"s, "payload"), "header"},
        {"an event type that is no text", frame_of("\13:event-type\0"s, ""), "header"},
        {"a second header that is cut off", frame_of(with_name + "\5a", ""), "header"},
    };
    for (const Case& c : cases) {
        for (const std::size_t piece : {std::size_t(1), c.frame.size()}) {
            const Outcome outcome = parse_in_pieces(c.frame, piece);
            EXPECT_FALSE(outcome.ok) << c.name;
            EXPECT_TRUE(outcome.messages.empty()) << c.name;
            EXPECT_NE(outcome.problem.find(c.problem), std::string::npos) << c.name << ": " << outcome.problem;
        }
    }
}

TEST(EventStream, TheLimitIsOfTheWholeMessage) {
    const std::string frame = frame_of("", std::string(84, 'x'));
    EXPECT_TRUE(parse(frame, 100).ok);
    EXPECT_FALSE(parse(frame, 99).ok);
    EXPECT_FALSE(parse(frame.substr(0, 12), 99).ok) << "said at its announcement";
}

TEST(EventStream, ReadsEveryHeaderTypeOfTheVectors) {
    TERTULIA_NEED_SHARED_DATA("eventstream");
    const std::filesystem::path folder = shared_data() / "eventstream/smithy";
    const Outcome all = parse(read_file(folder / "valid_with_all_headers_and_payload"));
    EXPECT_EQ(all.messages, (std::vector<Message>{{.payload = "some payload"}}));
    EXPECT_EQ(parse(read_file(folder / "valid_no_headers")).messages,
              (std::vector<Message>{{.payload = "another test payload"}}));
    EXPECT_EQ(parse(read_file(folder / "valid_empty_payload")).messages, (std::vector<Message>{{}}));
}

TEST(EventStream, RefusesEveryInvalidVectorAsItIsAndWithItsChecksumsMended) {
    TERTULIA_NEED_SHARED_DATA("eventstream");
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(shared_data() / "eventstream/smithy")) {
        const std::string name = entry.path().filename();
        if (!name.starts_with("invalid")) continue;
        ++count;
        std::string bytes = read_file(entry.path());
        for (std::size_t at = 0; at <= bytes.size(); ++at) EXPECT_FALSE(parse_cut_at(bytes, at).ok) << name;
        if (name.ends_with("checksum")) continue;
        // Their checksums were not made anew after the damage: what they are about is seen only with the right ones.
        const std::size_t total = static_cast<unsigned char>(bytes[3]);
        ASSERT_LE(total, bytes.size()) << name;
        bytes.replace(8, 4, u32(crc_of(bytes.substr(0, 8))));
        bytes.replace(total - 4, 4, u32(crc_of(bytes.substr(0, total - 4))));
        const Outcome outcome = parse(bytes);
        EXPECT_FALSE(outcome.ok) << name;
        EXPECT_EQ(outcome.problem.find("checksum"), std::string::npos) << name << ": " << outcome.problem;
    }
    EXPECT_EQ(count, 8);
}

TEST(EventStream, ReadsWholeStreamsOfTheVectorsInPiecesOfEverySize) {
    TERTULIA_NEED_SHARED_DATA("eventstream");
    struct Case {
        std::string file;
        std::vector<std::string> types;
    };
    const Case cases[] = {
        {"bedrock-basic.bin",
         {"messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockDelta", "contentBlockStop",
          "messageStop", "metadata"}},
        {"detect-bedrock-invoke.bin", std::vector<std::string>(9, "chunk")},
        {"bedrock-reasoning.bin",
         {"messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockDelta", "messageStop", "metadata"}},
    };
    for (const Case& c : cases) {
        const std::string bytes = read_file(shared_data() / "eventstream/agentgateway" / c.file);
        const Outcome whole = parse(bytes);
        EXPECT_TRUE(whole.ok && whole.between) << c.file;
        std::vector<std::string> types;
        for (const Message& message : whole.messages) types.push_back(message.event_type);
        EXPECT_EQ(types, c.types) << c.file;
        for (const std::size_t size : {1, 2, 3, 5, 7, 11, 12, 13, 64, 1000})
            EXPECT_EQ(parse_in_pieces(bytes, size), whole) << c.file << " in pieces of " << size;
    }
    EXPECT_TRUE(parse(read_file(shared_data() / "eventstream/agentgateway/bedrock-tool.bin")).ok);
    EXPECT_FALSE(parse(read_file(shared_data() / "eventstream/agentgateway/detect-bedrock-broken.bin")).ok);
}

TEST(EventStream, ReadsRealTrafficWithItsOwnChunkBoundaries) {
    TERTULIA_NEED_SHARED_DATA("eventstream");
    for (const std::string_view name : {"transcribe-success.json", "transcribe-error.json"}) {
        EventStreamParser parser;
        Outcome outcome;
        for (const auto& step : boost::json::parse(read_file(shared_data() / "eventstream" / name)).as_array()) {
            const auto& action = step.at("action").as_object();
            const auto* data = action.if_contains("Data");
            if (!data || data->at("direction").as_string() != "Response") continue;
            const auto& bytes = data->at("data").as_object();
            if (const auto* base64 = bytes.if_contains("Base64"))
                feed(parser, support::decode_base64(base64->as_string()), outcome);
            EXPECT_TRUE(outcome.ok) << name;
        }
        EXPECT_TRUE(outcome.between) << name;
        ASSERT_FALSE(outcome.messages.empty()) << name;
        const Message& last = outcome.messages.back();
        if (name.find("error") != std::string_view::npos)
            EXPECT_EQ(last.exception_type, "BadRequestException");
        else
            EXPECT_EQ(last.event_type, "TranscriptEvent");
    }
}

TEST(EventStream, ReadsEveryRecordedBedrockStream) {
    TERTULIA_NEED_SHARED_DATA("recordings");
    int streams = 0;
    for (const std::string_view api : {"converse-stream", "invoke-with-response-stream"}) {
        for (const support::Recording& recording : support::load_recordings("bedrock", api)) {
            if (recording.status != 200) continue;
            ++streams;
            const Outcome whole = parse(recording.body);
            EXPECT_TRUE(whole.ok && whole.between && !whole.messages.empty()) << recording.name;
            EXPECT_EQ(parse_in_pieces(recording.body, 1), whole) << recording.name;
        }
    }
    EXPECT_GT(streams, 20);
}

}  // namespace
}  // namespace tertulia::aws
