// The one table of configuration keys.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "tertulia/app/config.h"

namespace tertulia::app {

/// The place of a key's value in its struct; which alternative it is, is the key's type.
using Slot = std::variant<std::string*, std::int64_t*, double*, bool*, base::Milliseconds*,
                          std::optional<base::Milliseconds>*, base::Secret*, ApiKey*, std::vector<std::string>*>;

/// One key: what the file, the environment, check-config and docs/configuration.md know of it. Its default is what a
/// fresh `Owner` holds. Value.
template <class Owner>
struct Key {
    /// Dotted, as in the file ("deadlines.first_token_ms").
    std::string_view path;
    Slot (*slot)(Owner&);
    /// For people.
    std::string_view description;
    /// What a text must be; empty: anything.
    std::string_view allowed = {};
    bool (*valid)(std::string_view) = nullptr;
    /// Bounds of a number, both included.
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
    /// Says what holds where nothing is set, if the struct's own value does not.
    std::string_view default_note = {};
};

std::span<const Key<Config>> config_keys();
/// Inside `[[providers]]`, `[[models]]`, `[[prices]]` and `[[budgets]]`.
std::span<const Key<ProviderConfig>> provider_keys();
std::span<const Key<ModelConfig>> model_keys();
std::span<const Key<PriceConfig>> price_keys();
std::span<const Key<BudgetConfig>> budget_keys();
/// Inside `[[routes]]`.
std::span<const Key<RouteConfig>> route_keys();

/// `TERTULIA_DEADLINES_FIRST_TOKEN_MS`.
std::string environment_name(std::string_view path);

/// The value as TOML; a secret is `"***"`, nothing is `""`.
std::string format_value(const Slot& slot);

/// What the type takes, for error messages and the documentation: "a whole number from 1 to 5".
template <class Owner>
std::string allowed_values(const Key<Owner>& key);

}  // namespace tertulia::app
