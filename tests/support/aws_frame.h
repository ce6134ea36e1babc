// Messages of `application/vnd.amazon.eventstream`, made for tests. Header only.
#pragma once

#include <zlib.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace tertulia::support {

namespace detail {

inline std::string big_endian(std::size_t value, int bytes) {
    std::string out;
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
}

inline std::string crc_of(std::string_view bytes) {
    return big_endian(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()), 4);
}

}  // namespace detail

using AwsHeaders = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// One message with right checksums; all headers are strings.
inline std::string aws_frame(AwsHeaders headers, std::string_view payload) {
    std::string head;
    for (const auto& [name, value] : headers) {
        head += static_cast<char>(name.size());
        head += name;
        head += '\7';
        head += detail::big_endian(value.size(), 2);
        head += value;
    }
    std::string frame = detail::big_endian(16 + head.size() + payload.size(), 4) + detail::big_endian(head.size(), 4);
    frame += detail::crc_of(frame);
    frame += head;
    frame += payload;
    return frame + detail::crc_of(frame);
}

inline std::string aws_event(std::string_view type, std::string_view payload) {
    return aws_frame({{":event-type", type}, {":content-type", "application/json"}, {":message-type", "event"}},
                     payload);
}

inline std::string aws_exception(std::string_view type, std::string_view payload) {
    return aws_frame({{":exception-type", type}, {":content-type", "application/json"}, {":message-type", "exception"}},
                     payload);
}

}  // namespace tertulia::support
