#include "tertulia/aws/event_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tertulia/aws/crc32.h"

namespace tertulia::aws {
namespace {

// The frame: total length, length of the headers, CRC of these eight bytes; headers; payload; CRC of all before it.
// Numbers are big endian.
constexpr std::size_t prelude_size = 12;
constexpr std::size_t crc_at = 8;
constexpr std::size_t crc_size = 4;

// What was kept of a message that came in parts is held on to up to this size: streams are many and mostly slow.
constexpr std::size_t max_idle_memory = std::size_t(16) << 10;

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

/// Takes header after header off the front of a message's headers.
class HeaderReader {
  public:
    struct Header {
        std::string_view name;
        std::string_view value;  ///< the value's bytes, without their length
        bool is_text = false;
    };

    explicit HeaderReader(std::string_view bytes) : rest_(bytes) {}

    bool at_end() const { return rest_.empty(); }

    /// Nothing where the bytes are no header.
    std::optional<Header> next() {
        const auto name_size = static_cast<unsigned char>(rest_.front());
        if (name_size == 0 || rest_.size() < std::size_t(name_size) + 2) return {};
        Header header{.name = rest_.substr(1, name_size)};
        const auto type = static_cast<unsigned char>(rest_[std::size_t(name_size) + 1]);
        rest_.remove_prefix(std::size_t(name_size) + 2);
        const std::optional<std::size_t> size = value_size(type);
        if (!size || *size > rest_.size()) return {};
        header.value = rest_.substr(0, *size);
        header.is_text = type == text_type;
        rest_.remove_prefix(*size);
        return header;
    }

  private:
    static constexpr unsigned char text_type = 7;

    // Takes the value's own length off, where it has one.
    std::optional<std::size_t> value_size(unsigned char type) {
        switch (type) {
            case 0:  // true
            case 1:  // false
                return 0;
            case 2:  // byte
                return 1;
            case 3:  // short
                return 2;
            case 4:  // integer
                return 4;
            case 5:  // long
            case 8:  // timestamp
                return 8;
            case 9:  // uuid
                return 16;
            case 6:  // bytes
            case text_type: {
                if (rest_.size() < 2) return {};
                const auto high = static_cast<unsigned char>(rest_[0]), low = static_cast<unsigned char>(rest_[1]);
                rest_.remove_prefix(2);
                return std::size_t(high) << 8 | low;
            }
            default:
                return {};
        }
    }

    std::string_view rest_;
};

std::string_view* find_field(EventStreamMessage& message, std::string_view name) {
    switch (name.size()) {
        case 11:
            if (name == ":event-type") return &message.event_type;
            if (name == ":error-code") return &message.error_code;
            break;
        case 13:
            if (name == ":message-type") return &message.message_type;
            if (name == ":content-type") return &message.content_type;
            break;
        case 14:
            if (name == ":error-message") return &message.error_message;
            break;
        case 15:
            if (name == ":exception-type") return &message.exception_type;
            break;
        default:
            break;
    }
    return nullptr;
}

bool read_headers(std::string_view bytes, EventStreamMessage& message) {
    HeaderReader reader(bytes);
    while (!reader.at_end()) {
        const std::optional<HeaderReader::Header> header = reader.next();
        if (!header) return false;
        std::string_view* field = find_field(message, header->name);
        if (!field) continue;
        if (!header->is_text) return false;
        *field = header->value;
    }
    return true;
}

}  // namespace

EventStreamParser::Step EventStreamParser::next(std::string_view& bytes, EventStreamMessage& message) {
    if (problem_) return Step::broken;
    if (kept_is_given_) {
        kept_is_given_ = false;
        if (kept_.capacity() > max_idle_memory) kept_ = {};
        kept_.clear();
    }
    if (kept_.empty() && bytes.size() >= prelude_size) {
        if (!read_prelude(bytes)) return Step::broken;
        if (bytes.size() >= total_) {
            const std::string_view frame = bytes.substr(0, total_);
            bytes.remove_prefix(total_);
            return read_frame(frame, message);
        }
    }
    if (total_ == 0) {
        if (!keep_until(prelude_size, bytes)) return Step::need_more;
        if (!read_prelude(kept_)) return Step::broken;
    }
    if (!keep_until(total_, bytes)) return Step::need_more;
    kept_is_given_ = true;
    return read_frame(kept_, message);
}

// Moves bytes to the kept ones until they are `size`. False: there are not enough.
bool EventStreamParser::keep_until(std::size_t size, std::string_view& bytes) {
    const std::size_t count = std::min(size - kept_.size(), bytes.size());
    kept_ += bytes.substr(0, count);
    bytes.remove_prefix(count);
    return kept_.size() == size;
}

bool EventStreamParser::read_prelude(std::string_view frame) {
    crc_ = add_to_crc32(0, frame.substr(0, crc_at));
    const std::uint32_t total = read_u32(frame, 0), headers = read_u32(frame, 4);
    if (read_u32(frame, crc_at) != crc_) {
        fail("the checksum of a length is wrong");
    } else if (total < prelude_size + crc_size || headers > total - prelude_size - crc_size) {
        fail("a message's lengths contradict each other");
    } else if (total > max_message_ || headers > max_headers) {
        fail("a message is too long");
    } else {
        total_ = total;
        headers_ = headers;
        return true;
    }
    return false;
}

EventStreamParser::Step EventStreamParser::read_frame(std::string_view frame, EventStreamMessage& message) {
    const std::size_t end = frame.size() - crc_size;
    total_ = 0;
    if (add_to_crc32(crc_, frame.substr(crc_at, end - crc_at)) != read_u32(frame, end))
        return fail("the checksum of a message is wrong");
    message = {.payload = frame.substr(prelude_size + headers_, end - prelude_size - headers_)};
    if (!read_headers(frame.substr(prelude_size, headers_), message)) return fail("a message's header is malformed");
    return Step::message;
}

EventStreamParser::Step EventStreamParser::fail(const char* problem) {
    problem_ = problem;
    return Step::broken;
}

base::Result<void> EventStreamParser::broken() const {
    return base::fail(base::Errc::upstream_unavailable, fmt::format("The event stream is broken: {}.", problem_));
}

}  // namespace tertulia::aws
