// WebSocket frames made and read by hand: good ones, and those that no client ought to send.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tertulia/http/test_sockets.h"

namespace tertulia::http::testing {

enum Opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// What a frame may do wrong, too.
struct FrameOptions {
    bool fin = true;
    int reserved = 0;      ///< three bits
    bool mask = true;      ///< as a client must
    int length_bytes = 0;  ///< of the extended length: 0 (the shortest form), 2 or 8
    std::optional<std::uint64_t> claimed_length = {};
};

inline std::string frame(int opcode, std::string_view payload, FrameOptions options = {}) {
    const std::uint64_t length = options.claimed_length.value_or(payload.size());
    int bytes = options.length_bytes;
    if (bytes == 0 && length > 125) bytes = length > 0xffff ? 8 : 2;
    std::string out;
    out += static_cast<char>((options.fin ? 0x80 : 0) | (options.reserved << 4) | opcode);
    const int mask_bit = options.mask ? 0x80 : 0;
    out += static_cast<char>(mask_bit | (bytes == 8 ? 127 : bytes == 2 ? 126 : static_cast<int>(length)));
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(length >> (8 * i));
    constexpr std::string_view key = "\x12\xf4\x56\x78";
    if (options.mask) out += key;
    for (std::size_t i = 0; i < payload.size(); ++i)
        out += options.mask ? static_cast<char>(payload[i] ^ key[i % 4]) : payload[i];
    return out;
}

inline std::string close_payload(int code, std::string_view reason = "") {
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)} + std::string(reason);
}

struct Frame {
    int opcode = -1;  ///< -1: there is none
    bool fin = false;
    std::string payload;
    /// Of a close frame; 1005: it has none.
    int code() const {
        return payload.size() < 2
                   ? 1005
                   : static_cast<unsigned char>(payload[0]) * 256 + static_cast<unsigned char>(payload[1]);
    }
};

/// Takes a server's frame off the front of `bytes`; nothing: it is not all there. A frame that is masked, has reserved
/// bits or an unknown opcode has the opcode -2.
inline std::optional<Frame> take_frame(std::string& bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
    if (bytes.size() < 2) return {};
    std::uint64_t length = byte(1) & 127;
    std::size_t head = 2;
    if (length >= 126) {
        const std::size_t extended = length == 126 ? 2 : 8;
        if (bytes.size() < 2 + extended) return {};
        length = 0;
        for (std::size_t i = 0; i < extended; ++i) length = length << 8 | byte(2 + i);
        head += extended;
    }
    if (bytes.size() - head < length) return {};
    Frame frame{.opcode = byte(0) & 15, .fin = (byte(0) & 0x80) != 0, .payload = bytes.substr(head, length)};
    const bool known = frame.opcode <= 2 || (frame.opcode >= 8 && frame.opcode <= 10);
    if ((byte(1) & 0x80) != 0 || (byte(0) & 0x70) != 0 || !known) frame.opcode = -2;
    bytes.erase(0, head + length);
    return frame;
}

inline std::string upgrade_request(std::string_view path, std::string_view more = "") {
    return "GET " + std::string(path) +
           " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
           std::string(more) + "\r\n";
}

/// A client that speaks frames.
class FrameClient {
  public:
    FrameClient(BlockingSocket socket, std::string_view path, std::string_view with_it = "")
        : socket_(std::move(socket)) {
        EXPECT_TRUE(socket_.send(upgrade_request(path) + std::string(with_it)));
        received_ = socket_.receive_until("\r\n\r\n");
        const std::size_t end = received_.find("\r\n\r\n");
        head_ = received_.substr(0, end == std::string::npos ? end : end + 4);
        received_.erase(0, head_.size());
        EXPECT_TRUE(head_.starts_with("HTTP/1.1 101 Switching Protocols\r\n")) << head_;
    }

    bool send(std::string_view bytes) { return socket_.send(bytes); }
    /// The server's next frame, of whatever kind.
    Frame receive() {
        for (;;) {
            if (auto frame = take_frame(received_)) return *frame;
            const std::string part = socket_.receive();
            if (part.empty()) return {};
            received_ += part;
        }
    }
    /// What comes next is the end of the connection, with nothing before it.
    bool at_end() { return received_.empty() && socket_.receive().empty(); }
    const std::string& head() const { return head_; }
    BlockingSocket& socket() { return socket_; }

  private:
    BlockingSocket socket_;
    std::string head_, received_;
};

}  // namespace tertulia::http::testing
