#include "tertulia/api/content_gate.h"

#include <fmt/format.h>

#include "tertulia/base/clock.h"

namespace tertulia::api {
namespace {

constexpr std::size_t uncounted_bytes = 64 << 10;

}  // namespace

base::Result<void> ContentGate::take(std::string_view bytes) {
    const std::size_t before = size_;
    size_ += bytes.size();
    if (before < limits_.body_bytes) scanner_.feed(bytes.substr(0, limits_.body_bytes - before));
    if (size_ > limits_.body_bytes && !scanner_.found())
        return base::fail(base::Errc::too_large,
                          fmt::format("The body must not be longer than {} bytes, or than {} where a 'content' begins "
                                      "within the first {}.",
                                      limits_.body_bytes, limits_.content_bytes, limits_.body_bytes));
    // A message that merely does not say how long it is has nothing to do with the others.
    const bool is_counted = scanner_.found() || size_ > uncounted_bytes;
    if (is_counted && !share_.grow(size_ - share_.bytes()))
        return std::unexpected(base::Error{.code = base::Errc::unavailable,
                                           .message = "Too many large requests are being read at once; try again in a "
                                                      "moment.",
                                           .retry_after = base::Milliseconds(2000)});
    return {};
}

}  // namespace tertulia::api
