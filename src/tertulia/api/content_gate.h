// The bodies that may be large.
#pragma once

#include <cstddef>
#include <memory>

#include "tertulia/api/content_scanner.h"
#include "tertulia/base/memory_ceiling.h"
#include "tertulia/http/body_gate.h"

namespace tertulia::api {

/// How large bodies may be. Value.
struct ContentLimits {
    /// Of a body without `content`.
    std::size_t body_bytes = std::size_t(1) << 20;
    /// Of one with it.
    std::size_t content_bytes = std::size_t(32) << 20;
    /// For all bodies together that may be of the second kind; null: there are none of that kind.
    std::shared_ptr<base::MemoryCeiling> memory;
};

/// Lets a body of `POST /chat` grow beyond `body_bytes` only if a top-level `content` came before them (too_large,
/// 413), and only while all such bodies together are below the ceiling (unavailable, 503); it counts
/// from when its `content` has come, or 64 KiB of it. What it has taken of the
/// ceiling it gives back when it goes: keep it as long as what came of the body. Belongs to a request. One per
/// worker.
class ContentGate final : public http::BodyGate {
  public:
    explicit ContentGate(const ContentLimits& limits) : limits_(limits), share_(limits.memory) {}

    std::size_t limit() const override { return limits_.content_bytes; }
    base::Result<void> take(std::string_view bytes) override;

  private:
    const ContentLimits limits_;
    base::MemoryShare share_;
    ContentScanner scanner_;
    std::size_t size_ = 0;
};

}  // namespace tertulia::api
