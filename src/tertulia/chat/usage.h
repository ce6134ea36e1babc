// How many tokens a turn took.
#pragma once

#include <cstdint>

namespace tertulia::chat {

/// Tokens in disjoint classes: `input` holds no cached ones, `output` no reasoning. Providers count differently
/// (OpenAI's prompt_tokens include the cached ones, Anthropic's do not); their wire parts bring all to this form.
/// Value.
struct Usage {
    std::int64_t input = 0;
    std::int64_t cache_read = 0;
    std::int64_t cache_write = 0;
    std::int64_t output = 0;
    std::int64_t reasoning = 0;
    /// The provider reported none (or not all): our own count, which may be off by a third either way.
    bool estimated = false;

    /// All that the model was shown.
    std::int64_t prompt() const { return input + cache_read + cache_write; }
    bool operator==(const Usage&) const = default;
};

}  // namespace tertulia::chat
