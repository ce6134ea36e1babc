// What is asked of the ledger, and what it answers.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tertulia::sessions {

/// What the rows of a report are told apart by.
enum class UsageGroup : std::uint8_t { session, owner, model, day };
std::string_view to_string(UsageGroup group);
std::optional<UsageGroup> parse_usage_group(std::string_view text);

/// Value.
struct UsageQuery {
    std::string owner;
    /// Empty: all of the owner's.
    std::string session_id = {};
    /// Microseconds since 1970, by the time of the turn's end: from (inclusive) and to (exclusive).
    std::int64_t from_us = 0;
    std::int64_t to_us = std::numeric_limits<std::int64_t>::max();
    /// No group twice. Empty: the total alone.
    std::vector<UsageGroup> group_by = {};
    /// More rows than these are not given.
    std::int64_t max_rows = 10'000;
};

/// Tokens and money of some turns. A hedge's loser counts in `hedge_nano` and nowhere else. Value.
struct UsageRow {
    /// Those of the query's groups; the others are empty. `day` is YYYY-MM-DD, in UTC.
    std::string session_id;
    std::string owner;
    std::string model;
    std::string day;
    /// Different turns with at least one billed attempt among these.
    std::int64_t turns = 0;
    std::int64_t input_tokens = 0;
    std::int64_t cache_read_tokens = 0;
    /// For whatever time.
    std::int64_t cache_write_tokens = 0;
    std::int64_t output_tokens = 0;
    std::int64_t reasoning_tokens = 0;
    /// Nano-dollars, as far as prices are known.
    std::int64_t cost_nano = 0;
    std::int64_t hedge_nano = 0;
    /// Turns with an attempt (or a hedge) whose price is not known.
    std::int64_t unpriced_turns = 0;
    bool operator==(const UsageRow&) const = default;
};

/// In the order of the groups' values. Value.
struct UsageReport {
    std::vector<UsageRow> rows;
    /// Were there more than `max_rows`?
    bool more = false;
    /// Of all rows, those that were not given counted too.
    UsageRow total;
};

}  // namespace tertulia::sessions
