#include "tertulia/api/content_gate.h"

#include <fmt/format.h>

#include "tertulia/base/clock.h"

namespace tertulia::api {

base::Result<void> ContentGate::take(std::string_view bytes) {
    const std::size_t before = size_;
    size_ += bytes.size();
    if (before < limits_.body_bytes) scanner_.feed(bytes.substr(0, limits_.body_bytes - before));
    if (size_ > limits_.body_bytes && !scanner_.found())
        return base::fail(base::Errc::too_large,
                          fmt::format("The body must not be longer than {} bytes, or than {} where a 'content' begins "
                                      "within the first {}.",
                                      limits_.body_bytes, limits_.content_bytes, limits_.body_bytes));
    if (!share_.grow(bytes.size()))
        return std::unexpected(base::Error{.code = base::Errc::unavailable,
                                           .message = "Too many large requests are being read at once; try again in a "
                                                      "moment.",
                                           .retry_after = base::Milliseconds(2000)});
    return {};
}

}  // namespace tertulia::api
