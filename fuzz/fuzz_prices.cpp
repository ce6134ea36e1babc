// A price table from a file, and the names under which a model's price is looked for: whatever comes in, a cost is
// never below 0 nor above the worst case.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tertulia/billing/cost.h"
#include "tertulia/billing/model_names.h"
#include "tertulia/billing/money.h"
#include "tertulia/billing/price_table.h"

namespace {

using namespace tertulia;

void require(bool holds) {
    if (!holds) std::abort();
}

void read_table(std::string_view text) {
    const auto table = billing::PriceTable::parse(text);
    if (!table) {
        require(table.error().code == base::Errc::invalid_request && !table.error().message.empty());
        return;
    }
    require(!table->version().empty());
    const billing::Price* price = table->find("a/b");
    if (!price) return;
    for (const std::int64_t tokens : {0, 1, 1000, 1'000'000'000}) {
        const chat::Usage usage{.input = tokens, .output = tokens};
        const std::int64_t cost = billing::cost_nano(usage, *price);
        require(cost >= 0 && cost <= billing::worst_case_nano(*price, tokens, tokens));
    }
}

void read_name(std::string_view name) {
    const auto names = billing::names_of_price(name);
    require(!names.empty() && names.front() == name && names.size() <= 16);
    const std::size_t slash = name.find('/');
    for (const std::string& other : names)
        require(other.size() <= name.size() && (slash == std::string_view::npos || other.contains('/')));
}

void read_amount(std::string_view text) {
    const auto nano = billing::parse_usd(text);
    if (!nano) return;
    require(*nano >= 0 && billing::parse_usd(billing::format_usd(*nano)) == nano);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    read_table(text);
    read_name(text);
    read_amount(text);
    return 0;
}
