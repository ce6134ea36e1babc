// What an attempt used and cost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "tertulia/chat/usage.h"

namespace tertulia::billing {

/// One billed attempt: a call of a model that the provider charges for. Value.
struct Bill {
    /// `provider/id` of the model that was called.
    std::string model;
    chat::Usage usage;
    /// Nano-dollars; nothing where no price is known.
    std::optional<std::int64_t> cost_nano = {};
    /// The loser of a hedge: its cost counts apart.
    bool is_hedge = false;
    /// The price's edition; empty where none is known.
    std::string price_version = {};
    bool operator==(const Bill&) const = default;
};

/// The bills of a turn, added up. `usage` and `cost_nano` leave out hedges. Value.
struct BillTotal {
    chat::Usage usage;
    /// Nothing where there is no bill, or one without a price: a part of the cost would pass for all of it.
    std::optional<std::int64_t> cost_nano = {};
    /// Hedges whose price is known.
    std::int64_t hedge_nano = 0;
    /// Of the last bill that counts for `cost_nano`.
    std::string price_version = {};
    bool operator==(const BillTotal&) const = default;
};

BillTotal add_up(std::span<const Bill> bills);

}  // namespace tertulia::billing
