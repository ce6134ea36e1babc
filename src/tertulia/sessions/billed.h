// What a turn's record says of attempts that are over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/billing/bill.h"

namespace tertulia::sessions {

/// Bills of a turn's attempts, in the record where the answer of the next attempt begins: a crash leaves each to its
/// own model. Value.
struct Billed {
    std::vector<billing::Bill> bills;
    /// Our estimate of what the next attempt was sent.
    std::int64_t prompt_tokens = 0;
    bool operator==(const Billed&) const = default;

    /// As the entry's text in a turn's log, and back; nothing where it is not that.
    std::string to_text() const;
    static std::optional<Billed> from_text(std::string_view text);
};

}  // namespace tertulia::sessions
