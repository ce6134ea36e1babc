#include "tertulia/billing/price_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "tertulia/base/json.h"
#include "tertulia/billing/model_names.h"
#include "tertulia/billing/money.h"

namespace tertulia::billing {

extern const std::string_view prices_json;  // prices.json, embedded by the build

namespace {

namespace json = boost::json;

std::unexpected<base::Error> wrong(std::string message) {
    return base::fail(base::Errc::invalid_request, std::move(message));
}

std::string_view as_view(const json::string& text) {
    return {text.data(), text.size()};
}

base::Result<Rates> read_rates(std::string_view name, const json::object& row) {
    WrittenRates rates;
    std::optional<std::int64_t> input;
    std::optional<std::int64_t> output;
    const std::array<std::pair<std::string_view, std::optional<std::int64_t>*>, 5> members{
        {{"input", &input},
         {"output", &output},
         {"cache_read", &rates.cache_read},
         {"cache_write", &rates.cache_write},
         {"cache_write_long", &rates.cache_write_long}}};
    for (const auto& [key, value] : row) {
        const std::string_view member(key.data(), key.size());
        if (member == "tiers" || member == "above") continue;
        const auto* const known =
            std::ranges::find(members, member, &std::pair<std::string_view, std::optional<std::int64_t>*>::first);
        if (known == members.end()) return wrong(fmt::format("{}: unknown member {}", name, member));
        if (value.is_string()) *known->second = parse_price(as_view(value.as_string()));
        if (!*known->second)
            return wrong(
                fmt::format("{}: {} must be a string with dollars per million tokens, such as \"3.00\"", name, member));
    }
    if (!input || !output) return wrong(fmt::format("{}: input and output are needed", name));
    rates.input = *input;
    rates.output = *output;
    return rates.whole();
}

base::Result<Price> read_price(std::string_view name, const json::value& value, const std::string& version) {
    if (name.find('/') == std::string_view::npos) return wrong(fmt::format("{}: a model's name is provider/id", name));
    if (!value.is_object()) return wrong(fmt::format("{}: must be an object", name));
    const json::object& row = value.as_object();
    if (row.contains("above")) return wrong(fmt::format("{}: unknown member above", name));
    auto rates = read_rates(name, row);
    if (!rates) return std::unexpected(std::move(rates.error()));
    Price price{.rates = *rates, .version = version};
    const json::value* tiers = row.if_contains("tiers");
    if (!tiers) return price;
    if (!tiers->is_array()) return wrong(fmt::format("{}: tiers must be an array", name));
    for (const json::value& tier : tiers->as_array()) {
        const json::value* above = tier.is_object() ? tier.as_object().if_contains("above") : nullptr;
        const std::int64_t last = price.tiers.empty() ? 0 : price.tiers.back().above;
        if (!above || !above->is_int64() || above->as_int64() <= last)
            return wrong(fmt::format("{}: each tier has `above`, a number of tokens greater than the last", name));
        auto tier_rates = read_rates(name, tier.as_object());
        if (!tier_rates) return std::unexpected(std::move(tier_rates.error()));
        price.tiers.push_back({.above = above->as_int64(), .rates = *tier_rates});
    }
    return price;
}

}  // namespace

base::Result<PriceTable> PriceTable::parse(std::string_view text) {
    const auto parsed = base::parse_json(text);
    if (!parsed) return std::unexpected(parsed.error());
    const json::object* file = parsed->if_object();
    const json::value* version = file ? file->if_contains("version") : nullptr;
    const json::value* prices = file ? file->if_contains("prices") : nullptr;
    if (!version || !version->is_string() || version->as_string().empty() || version->as_string().size() > 64)
        return wrong("a price table has a \"version\", a string such as \"2026-11-25\"");
    if (!prices || !prices->is_object()) return wrong("a price table has \"prices\", an object");
    PriceTable table;
    table.version_ = as_view(version->as_string());
    for (const auto& [name, value] : prices->as_object()) {
        const std::string_view model(name.data(), name.size());
        auto price = read_price(model, value, table.version_);
        if (!price) return std::unexpected(std::move(price.error()));
        table.set(std::string(model), std::move(*price));
    }
    return table;
}

const PriceTable& PriceTable::shipped() {
    static const PriceTable table = parse(prices_json).value();
    return table;
}

const Price* PriceTable::find(std::string_view name) const {
    if (const auto exact = prices_.find(name); exact != prices_.end()) return &exact->second;
    for (const std::string& other : names_of_price(name))
        if (const auto found = prices_.find(other); found != prices_.end()) return &found->second;
    return nullptr;
}

void PriceTable::merge(const PriceTable& other) {
    for (const auto& [name, price] : other.prices_) set(name, price);
    version_ = other.version_;
}

}  // namespace tertulia::billing
