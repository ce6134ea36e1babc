// The chunked transfer coding, decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::http {

/// An incremental decoder (RFC 9112 7.1). Extensions and trailer fields are skipped; lines end with CRLF alone. Value.
class ChunkedDecoder {
  public:
    /// Takes bytes off the front of `bytes` up to and including the next piece of data, which it gives back; empty
    /// where all of them are used up, or at the end of the body (then `is_complete()`; what is left in `bytes` is not
    /// of it). invalid_request: malformed (then it must not be used again).
    base::Result<std::string_view> next(std::string_view& bytes);

    bool is_complete() const { return state_ == State::complete; }

  private:
    enum class State { size, extension, size_lf, data, data_cr, data_lf, trailer, trailer_line, trailer_lf, complete };

    State state_ = State::size;
    bool has_digit_ = false;
    std::uint64_t left_ = 0;      // of the chunk
    std::size_t line_bytes_ = 0;  // of the line with the size, or of the trailer section
    bool trailer_empty_ = true;   // the trailer's line has no byte yet
};

}  // namespace tertulia::http
