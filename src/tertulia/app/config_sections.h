// The parts of the table of configuration keys, by subject.
#pragma once

#include "tertulia/app/config_keys.h"

/// The address of a member inside its struct. A lambda without captures, since a table's entry is a constant.
// NOLINTNEXTLINE(bugprone-macro-parentheses): a member's name stands alone.
#define TERTULIA_SLOT(owner, member) [](owner& it) -> Slot { return &it.member; }

namespace tertulia::app {

/// In their order in the documentation; `config_keys` is all of them.
std::span<const Key<Config>> general_keys();      // what stands before all sections
std::span<const Key<Config>> attempt_keys();      // deadlines, retry, breaker
std::span<const Key<Config>> limit_keys();        // limits, checkpoints, shutdown
std::span<const Key<Config>> lambda_keys();       // lambda
std::span<const Key<Config>> local_model_keys();  // local_model

// What several of them use.

inline constexpr std::int64_t day_ms = 86'400'000;
inline constexpr std::int64_t gibibyte = std::int64_t(1) << 30;

template <class... Options>
bool one_of(std::string_view text, Options... options) {
    return ((text == options) || ...);
}

/// `PROVIDER/MODEL`?
bool is_model_name(std::string_view text);
/// May a provider, or a route, be called so?
bool is_provider_name(std::string_view text);

}  // namespace tertulia::app
