#include "tertulia/app/billing_config.h"

#include "tertulia/billing/money.h"

namespace tertulia::app {
namespace {

billing::Price price_of(const PriceConfig& config) {
    const billing::WrittenRates rates{.input = billing::parse_price(config.input).value_or(0),
                                      .output = billing::parse_price(config.output).value_or(0),
                                      .cache_read = billing::parse_price(config.cache_read),
                                      .cache_write = billing::parse_price(config.cache_write),
                                      .cache_write_long = billing::parse_price(config.cache_write_long)};
    return {.rates = rates.whole(), .version = "configuration"};
}

}  // namespace

billing::Prices::Options price_options(const Config& config, const telemetry::Log& log) {
    billing::Prices::Options options{.file = config.prices_file};
    for (const PriceConfig& price : config.prices) options.configured.emplace_back(price.model, price_of(price));
    options.on_reload = [&log](const std::string& message, bool is_problem) {
        if (is_problem)
            log.error("prices not reloaded", {{"reason", message}});
        else
            log.info("prices reloaded", {{"what", message}});
    };
    return options;
}

std::vector<billing::BudgetRule> budget_rules(const Config& config) {
    std::vector<billing::BudgetRule> rules;
    for (const BudgetConfig& budget : config.budgets) {
        const bool by_owner = !budget.owner.empty();
        rules.push_back({.scope = by_owner ? billing::BudgetScope::owner : billing::BudgetScope::session,
                         .name = by_owner ? budget.owner : budget.session,
                         .period = billing::parse_budget_period(budget.per).value_or(billing::BudgetPeriod::day),
                         .limit_nano = billing::parse_usd(budget.usd).value_or(0)});
    }
    return rules;
}

}  // namespace tertulia::app
