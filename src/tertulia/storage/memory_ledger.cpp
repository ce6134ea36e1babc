#include "tertulia/storage/memory_ledger.h"

#include <algorithm>
#include <map>
#include <set>

#include "tertulia/base/clock.h"
#include "tertulia/base/date_text.h"

namespace tertulia::storage {

using sessions::UsageGroup;
using sessions::UsageRow;

namespace {

// A row, and the turns that it counts.
struct Sum {
    UsageRow row;
    std::set<std::string_view> turns;
    std::set<std::string_view> unpriced;

    void add(const std::string& turn_id, const billing::Bill& bill) {
        if (!bill.cost_nano) unpriced.insert(turn_id);
        if (bill.is_hedge) {
            row.hedge_nano += bill.cost_nano.value_or(0);
            return;
        }
        turns.insert(turn_id);
        row.input_tokens += bill.usage.input;
        row.cache_read_tokens += bill.usage.cache_read;
        row.cache_write_tokens += bill.usage.cache_write + bill.usage.cache_write_long;
        row.output_tokens += bill.usage.output;
        row.reasoning_tokens += bill.usage.reasoning;
        row.cost_nano += bill.cost_nano.value_or(0);
    }
    UsageRow whole() const {
        UsageRow result = row;
        result.turns = std::ssize(turns);
        result.unpriced_turns = std::ssize(unpriced);
        return result;
    }
};

}  // namespace

void MemoryLedger::add(const sessions::TurnName& turn, std::string_view ended_at,
                       std::span<const billing::Bill> bills) {
    const std::int64_t ended_us = bills.empty() ? 0 : base::parse_rfc3339(ended_at).value_or(0);
    for (const billing::Bill& bill : bills) entries_.push_back({turn, ended_us, bill});
}

bool MemoryLedger::has(const sessions::TurnName& turn) const {
    return std::ranges::any_of(
        entries_, [&](const Entry& entry) { return entry.turn.turn_id == turn.turn_id && entry.turn.key == turn.key; });
}

sessions::UsageReport MemoryLedger::usage(const sessions::UsageQuery& query) const {
    Sum total;
    std::map<std::vector<std::string>, Sum> sums;
    for (const Entry& entry : entries_) {
        if (entry.turn.key.owner != query.owner || entry.ended_us < query.from_us || entry.ended_us >= query.to_us)
            continue;
        if (!query.session_id.empty() && entry.turn.key.session_id != query.session_id) continue;
        total.add(entry.turn.turn_id, entry.bill);
        UsageRow row;
        std::vector<std::string> key;
        for (const UsageGroup group : query.group_by) {
            switch (group) {
                case UsageGroup::session:
                    key.push_back(row.session_id = entry.turn.key.session_id);
                    break;
                case UsageGroup::owner:
                    key.push_back(row.owner = entry.turn.key.owner);
                    break;
                case UsageGroup::model:
                    key.push_back(row.model = entry.bill.model);
                    break;
                case UsageGroup::day:
                    key.push_back(row.day = base::format_timestamp(entry.ended_us).substr(0, 10));
                    break;
            }
        }
        sums.try_emplace(std::move(key), Sum{.row = row}).first->second.add(entry.turn.turn_id, entry.bill);
    }
    sessions::UsageReport report{.total = total.whole()};
    if (query.group_by.empty()) return report;
    for (const auto& [key, sum] : sums) {
        report.more = std::ssize(report.rows) == query.max_rows;
        if (report.more) break;
        report.rows.push_back(sum.whole());
    }
    return report;
}

}  // namespace tertulia::storage
