// The head of a message: start line and fields, read strictly.
#pragma once

#include <cstddef>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

/// Finds the end of a head that comes in pieces. Value.
class HeadScanner {
  public:
    enum class State { need_more, found, bare_line_feed };

    /// `head` is all that has come of the head so far (of an earlier call's bytes the same, and more). At `found`,
    /// `size()` bytes of it are the head, with the empty line that ends it.
    State scan(std::string_view head);
    std::size_t size() const { return at_; }
    void reset() { at_ = line_ = 0; }

  private:
    std::size_t at_ = 0;    // looked at so far
    std::size_t line_ = 0;  // where the line begins
};

/// Reads the fields of a head. `lines`: whole lines, each ended by CRLF, without the start line and the empty one.
/// Refused (invalid_request): a line folded onto the next, a name that is no token (so a space before the colon too),
/// control characters in a value (RFC 9112 5); more than `max_fields` (too_large, status 431).
base::Result<void> parse_fields(std::string_view lines, std::size_t max_fields, Headers& into);

/// Cuts the first line off `lines`; without its CRLF, which must be there.
std::string_view take_line(std::string_view& lines);

/// The framing that a head declares (RFC 9112 6).
struct Framing {
    bool chunked = false;
    bool has_length = false;
    std::size_t length = 0;
};

/// Refused (invalid_request): more than one Content-Length, or one that is not a plain number; Content-Length beside
/// Transfer-Encoding; more than one Transfer-Encoding; status 501: a transfer coding other than chunked.
base::Result<Framing> parse_framing(const Headers& headers);

/// Does the list-valued field `name` hold `item` (any case, RFC 9110 5.6.1)?
bool list_has(const Headers& headers, std::string_view name, std::string_view item);

}  // namespace tertulia::http
