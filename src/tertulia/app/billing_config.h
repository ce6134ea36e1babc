// From the configuration to prices and budgets.
#pragma once

#include <vector>

#include "tertulia/app/config.h"
#include "tertulia/billing/budget.h"
#include "tertulia/billing/prices.h"
#include "tertulia/telemetry/log.h"

namespace tertulia::app {

/// `[[prices]]` and `prices_file`; the configuration has been checked. `log` outlives the result.
billing::Prices::Options price_options(const Config& config, const telemetry::Log& log);

/// `[[budgets]]`; the configuration has been checked.
std::vector<billing::BudgetRule> budget_rules(const Config& config);

}  // namespace tertulia::app
