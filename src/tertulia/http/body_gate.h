// A say in how much of a body may come.
#pragma once

#include <cstddef>
#include <string_view>

#include "tertulia/base/error.h"

namespace tertulia::http {

/// Judges one request's body as it comes, in the place of the server's own limit. Belongs to the request. One per
/// worker.
class BodyGate {
  public:
    virtual ~BodyGate() = default;

    /// The most bytes that such a body may ever have: one that says it is longer is refused before any of it is read.
    virtual std::size_t limit() const = 0;

    /// These bytes have come, behind those before. An error is the request's answer, and the rest is not read.
    virtual base::Result<void> take(std::string_view bytes) = 0;
};

}  // namespace tertulia::http
