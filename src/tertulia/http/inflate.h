// Content-Encoding gzip and deflate, decoded as the bytes come.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::http {

/// An incremental decoder that looks before it believes: some servers leave the header on a body that is decoded
/// already, and then the bytes are passed on as they are. Value (movable).
class Inflater {
  public:
    Inflater();
    ~Inflater();
    Inflater(Inflater&&) noexcept;
    Inflater& operator=(Inflater&&) noexcept;

    /// Takes bytes off the front of `in` and appends what they decode to, until `in` is used up or `out` has grown by
    /// `max_out` bytes and somewhat (call it again then: a small body can decode to a very large one).
    /// upstream_unavailable: damaged.
    base::Result<void> feed(std::string_view& in, std::string& out, std::size_t max_out);

    /// The body has ended: what a sniffed single byte was is appended to `out`; an error where the stream has not
    /// ended.
    base::Result<void> end(std::string& out);

  private:
    struct Stream;
    std::unique_ptr<Stream> stream_;
};

}  // namespace tertulia::http
