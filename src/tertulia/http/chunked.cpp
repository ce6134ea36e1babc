#include "tertulia/http/chunked.h"

#include <algorithm>

#include "tertulia/http/ascii.h"

namespace tertulia::http {
namespace {

constexpr std::size_t max_size_line = 1024;
constexpr std::size_t max_trailer = 8 * 1024;
constexpr std::uint64_t max_chunk = std::uint64_t(1) << 56;

std::unexpected<base::Error> malformed() {
    return base::fail(base::Errc::invalid_request, "The chunked body is malformed.");
}

}  // namespace

base::Result<std::string_view> ChunkedDecoder::next(std::string_view& bytes) {
    while (!bytes.empty() && state_ != State::complete) {
        if (state_ == State::data) {
            const std::string_view piece = bytes.substr(0, std::min<std::uint64_t>(left_, bytes.size()));
            bytes.remove_prefix(piece.size());
            left_ -= piece.size();
            if (left_ == 0) state_ = State::data_cr;
            return piece;
        }
        const char c = bytes.front();
        bytes.remove_prefix(1);
        switch (state_) {
            case State::size:
                if (++line_bytes_ > max_size_line) return malformed();
                if (const int digit = hex_digit(c); digit >= 0) {
                    if (left_ >= max_chunk / 16) return malformed();
                    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
                    has_digit_ = true;
                } else if (has_digit_ && c == '\r') {
                    state_ = State::size_lf;
                } else if (has_digit_ && c == ';') {
                    state_ = State::extension;
                } else {
                    return malformed();
                }
                break;
            case State::extension:
                if (++line_bytes_ > max_size_line) return malformed();
                if (c == '\r')
                    state_ = State::size_lf;
                else if (!is_field_value({&c, 1}))
                    return malformed();
                break;
            case State::size_lf:
                if (c != '\n') return malformed();
                state_ = left_ == 0 ? State::trailer : State::data;
                has_digit_ = false;
                line_bytes_ = 0;
                break;
            case State::data_cr:
                if (c != '\r') return malformed();
                state_ = State::data_lf;
                break;
            case State::data_lf:
                if (c != '\n') return malformed();
                state_ = State::size;
                break;
            case State::trailer:
                trailer_empty_ = true;
                state_ = State::trailer_line;
                [[fallthrough]];
            case State::trailer_line:
                if (++line_bytes_ > max_trailer) return malformed();
                if (c == '\r')
                    state_ = State::trailer_lf;
                else if (!is_field_value({&c, 1}))
                    return malformed();
                else
                    trailer_empty_ = false;
                break;
            case State::trailer_lf:
                if (c != '\n') return malformed();
                state_ = trailer_empty_ ? State::complete : State::trailer;
                break;
            case State::data:
            case State::complete:
                break;
        }
    }
    return std::string_view();
}

}  // namespace tertulia::http
