// How long to wait for other processes' news.
#pragma once

#include <algorithm>

#include "tertulia/base/clock.h"

namespace tertulia::sessions {

/// The pauses between one look at a store that several processes share and the next: short at first, for what is about
/// to come, then ever longer. Value.
class LookPause {
  public:
    explicit LookPause(base::Milliseconds longest) : longest_(longest) {}

    base::Milliseconds next() {
        constexpr base::Milliseconds shortest{50};
        return last_ = std::min(std::max(2 * last_, shortest), longest_);
    }

  private:
    base::Milliseconds longest_;
    base::Milliseconds last_{0};
};

}  // namespace tertulia::sessions
