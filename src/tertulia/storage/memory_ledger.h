// The bills of all turns, in memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/billing/bill.h"
#include "tertulia/sessions/store.h"
#include "tertulia/sessions/usage_query.h"

namespace tertulia::storage {

/// Keeps every bill. One per worker.
class MemoryLedger {
  public:
    /// `ended_at`: in the store's form of time.
    void add(const sessions::TurnName& turn, std::string_view ended_at, std::span<const billing::Bill> bills);
    bool has(const sessions::TurnName& turn) const;
    sessions::UsageReport usage(const sessions::UsageQuery& query) const;

  private:
    struct Entry {
        sessions::TurnName turn;
        std::int64_t ended_us = 0;
        billing::Bill bill;
    };
    std::vector<Entry> entries_;
};

}  // namespace tertulia::storage
