// Requests, parsed strictly and without I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/chunked.h"
#include "tertulia/http/head.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

/// The error (413) for a body of more than `limit` bytes.
base::Error body_too_long(std::size_t limit);

/// Value.
struct RequestLimits {
    std::size_t head = 16 * 1024;
    std::size_t fields = 100;
    std::size_t body = std::size_t(1) << 20;
};

/// Parses the requests of one connection, fed with bytes as they come (RFC 9112, with everything refused that two
/// parsers could read differently). Between requests it holds no memory of its own. Value.
///
/// Errors end the connection; their status is 400 (malformed: bare LF, folded fields, NUL, repeated or conflicting
/// lengths, no Host in HTTP/1.1, ...), 413 (body over the limit; told by Content-Length before a byte of it is read,
/// but after Step::head), 417 (expectation other than 100-continue), 431 (head over its limits), 501 (transfer coding
/// other than chunked), 505 (version other than 1.0 and 1.1).
class RequestParser {
  public:
    explicit RequestParser(RequestLimits limits) : limits_(limits) {}

    enum class Step {
        need_more,  ///< all bytes are used up
        head,       ///< the head is there (once per request; `request()` has no body yet)
        complete,   ///< `take()` it; what is left of the bytes belongs to the next request
    };

    /// Takes bytes off the front of `bytes`.
    base::Result<Step> feed(std::string_view& bytes);

    /// The request as far as it is there: from Step::head on. A `body_gate` that is set then judges its body.
    Request& request() { return request_; }
    /// 413 where the head says that the body is too long; `feed` says the same before it takes anything of it.
    base::Result<void> check_length() const;
    /// Forgets the request; the parser is ready for the next.
    void next();
    /// The same, and gives the request.
    Request take();

    /// Has a byte of a request come that is not complete?
    bool has_begun() const { return state_ != State::head || !pending_.empty(); }
    /// Is its head there?
    bool has_head() const { return state_ != State::head; }

    // From Step::head on, and after take() until the next feed:
    bool keep_alive() const { return keep_alive_; }
    bool is_http_1_0() const { return minor_version_ == 0; }
    bool expects_continue() const { return expects_continue_; }
    bool is_chunked() const { return state_ == State::chunked_body; }

  private:
    enum class State { head, length_body, chunked_body, complete };

    base::Result<Step> feed_head(std::string_view& bytes);
    base::Result<void> parse_head(std::string_view head);
    base::Result<void> parse_request_line(std::string_view line);
    base::Result<void> parse_target(std::string_view target, std::string& absolute_authority);
    base::Result<void> check_host(std::string absolute_authority);
    base::Result<void> body_too_large() const;
    std::size_t body_limit() const;
    base::Result<void> add_to_body(std::string_view piece);

    RequestLimits limits_;
    State state_ = State::head;
    HeadScanner scanner_;
    std::string pending_;  // the part of a head that has come
    Request request_;
    std::string absolute_authority_;
    std::size_t body_left_ = 0;
    ChunkedDecoder chunks_;
    int minor_version_ = 1;
    bool keep_alive_ = true;
    bool expects_continue_ = false;
};

}  // namespace tertulia::http
