// One call of one model within a turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/chat/usage.h"

namespace tertulia::models {

/// As answers, bills and metrics tell of it. Value.
struct AttemptRecord {
    enum class End : std::uint8_t { ok, failed, cancelled };

    /// Its place among the route's targets.
    std::size_t target = 0;
    End end = End::cancelled;
    /// It ends in no other way any more.
    bool is_over = false;
    /// Of a failure.
    base::Errc code = base::Errc::internal;
    /// It lost the race against another one, and nothing of it was shown.
    bool lost_race = false;
    bool had_content = false;
    base::Milliseconds time{0};
    /// What the provider counted, as far as it told.
    std::optional<chat::Usage> reported;
    /// Our own counts, for what the provider does not tell: of the request, and (only where it is needed) of the
    /// answer.
    std::int64_t prompt_estimate = 0;
    std::int64_t output_estimate = 0;
    std::int64_t reasoning_estimate = 0;

    /// `ok`, `cancelled`, or the name of the failure's code.
    std::string_view outcome() const;
    /// All that it took: as reported where it came to its end, else as far as that and our estimate go.
    chat::Usage usage() const;
    /// Is it to be paid for? One that ended before its first content is not, but a race's loser is.
    bool is_billed() const { return end == End::ok || had_content || lost_race; }
};

}  // namespace tertulia::models
