#include "tertulia/billing/bill.h"

namespace tertulia::billing {

BillTotal add_up(std::span<const Bill> bills) {
    BillTotal total;
    bool all_priced = true;
    std::int64_t cost = 0;
    bool any = false;
    for (const Bill& bill : bills) {
        if (bill.is_hedge) {
            total.hedge_nano += bill.cost_nano.value_or(0);
            continue;
        }
        any = true;
        total.usage += bill.usage;
        all_priced = all_priced && bill.cost_nano.has_value();
        cost += bill.cost_nano.value_or(0);
        if (!bill.price_version.empty()) total.price_version = bill.price_version;
    }
    if (any && all_priced) total.cost_nano = cost;
    return total;
}

}  // namespace tertulia::billing
