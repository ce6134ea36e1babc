#include "tertulia/app/config_sections.h"

#include <array>

#include "tertulia/billing/budget.h"
#include "tertulia/billing/money.h"
#include "tertulia/billing/price.h"

namespace tertulia::app {
namespace {

constexpr std::string_view price_forms = R"(dollars per million tokens as a text, such as "3.00")";

bool is_price(std::string_view text) {
    return billing::parse_price(text).has_value();
}
bool is_amount(std::string_view text) {
    return billing::parse_usd(text).has_value();
}
bool is_period(std::string_view text) {
    return billing::parse_budget_period(text).has_value();
}

const std::array price_table = {
    Key<PriceConfig>{.path = "model",
                     .slot = TERTULIA_SLOT(PriceConfig, model),
                     .description =
                         "The model. It goes before the row of the same name in `prices_file` and in what is "
                         "shipped.",
                     .allowed = "PROVIDER/MODEL",
                     .valid = is_model_name,
                     .default_note = "must be set"},
    Key<PriceConfig>{.path = "input",
                     .slot = TERTULIA_SLOT(PriceConfig, input),
                     .description = "Tokens of the prompt that no cache had.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "must be set"},
    Key<PriceConfig>{.path = "cache_read",
                     .slot = TERTULIA_SLOT(PriceConfig, cache_read),
                     .description = "Tokens of the prompt that were read from a cache.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `input`"},
    Key<PriceConfig>{.path = "cache_write",
                     .slot = TERTULIA_SLOT(PriceConfig, cache_write),
                     .description = "Tokens of the prompt that were written to a cache.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `input`"},
    Key<PriceConfig>{.path = "cache_write_long",
                     .slot = TERTULIA_SLOT(PriceConfig, cache_write_long),
                     .description = "The same for an hour (Anthropic).",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "that of `cache_write`"},
    Key<PriceConfig>{.path = "output",
                     .slot = TERTULIA_SLOT(PriceConfig, output),
                     .description = "Tokens of the answer, reasoning included.",
                     .allowed = price_forms,
                     .valid = is_price,
                     .default_note = "must be set"},
};

const std::array budget_table = {
    Key<BudgetConfig>{.path = "owner",
                      .slot = TERTULIA_SLOT(BudgetConfig, owner),
                      .description =
                          "Whose spending is counted; `*`: every owner has this budget for itself. Either this "
                          "or `session`.",
                      .default_note = "none"},
    Key<BudgetConfig>{.path = "session",
                      .slot = TERTULIA_SLOT(BudgetConfig, session),
                      .description = "The session whose spending is counted; `*`: every session has this budget for "
                                     "itself.",
                      .default_note = "none"},
    Key<BudgetConfig>{.path = "per",
                      .slot = TERTULIA_SLOT(BudgetConfig, per),
                      .description = "Until when it is counted: a day or a month in UTC, or a session's whole life.",
                      .allowed = "day, month or session",
                      .valid = is_period,
                      .default_note = "must be set"},
    Key<BudgetConfig>{.path = "usd",
                      .slot = TERTULIA_SLOT(BudgetConfig, usd),
                      .description = "The most that may be spent.",
                      .allowed = R"(dollars as a text, such as "0.10")",
                      .valid = is_amount,
                      .default_note = "must be set"},
};

}  // namespace

std::span<const Key<PriceConfig>> price_keys() {
    return price_table;
}
std::span<const Key<BudgetConfig>> budget_keys() {
    return budget_table;
}

}  // namespace tertulia::app
