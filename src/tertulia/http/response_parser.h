// Answers of other servers, parsed without I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"
#include "tertulia/http/chunked.h"
#include "tertulia/http/head.h"
#include "tertulia/http/message.h"

namespace tertulia::http {

/// Parses one answer (RFC 9112). Every error is upstream_unavailable. Value.
class ResponseParser {
  public:
    /// `to_head`: the request was HEAD, so no body follows.
    ResponseParser(bool to_head, std::size_t head_limit) : to_head_(to_head), head_limit_(head_limit) {}

    /// Takes bytes off the front of `bytes`; true: the head is there (interim answers, 1xx, are skipped;
    /// more than 16 of them are an error).
    base::Result<bool> feed_head(std::string_view& bytes);

    int status() const { return status_; }
    Headers& headers() { return headers_; }

    /// After the head: takes bytes off the front of `bytes` up to and including the next piece of the body, which it
    /// gives back. Empty: they are used up, or the body is complete.
    base::Result<std::string_view> next_body(std::string_view& bytes);

    /// The connection was closed by the other side: an error unless the body is complete, or ends with the connection.
    base::Result<void> end_of_input();

    /// Has the body come to its end?
    bool is_complete() const { return complete_; }
    /// May another request follow on this connection?
    bool keep_alive() const { return keep_alive_; }

  private:
    base::Result<void> parse_head(std::string_view head);

    bool to_head_;
    std::size_t head_limit_;
    HeadScanner scanner_;
    std::string pending_;
    int status_ = 0;
    int interim_ = 0;  ///< answers before the real one
    Headers headers_;
    Framing framing_;
    ChunkedDecoder chunks_;
    std::size_t body_left_ = 0;
    bool has_head_ = false;
    bool complete_ = false;
    bool keep_alive_ = false;
};

}  // namespace tertulia::http
