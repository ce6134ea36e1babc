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
    /// Written to a cache for its usual time, and for a longer one (Anthropic's 1 h), which has a price of its own.
    std::int64_t cache_write = 0;
    std::int64_t cache_write_long = 0;
    std::int64_t output = 0;
    std::int64_t reasoning = 0;
    /// The provider did not report these: our own count, which may be off by a third either way.
    bool input_estimated = false;
    bool output_estimated = false;

    bool estimated() const { return input_estimated || output_estimated; }
    /// All that the model was shown, and all that it gave.
    std::int64_t prompt() const { return input + cache_read + cache_write + cache_write_long; }
    std::int64_t completion() const { return output + reasoning; }
    /// Adds another call's tokens, class by class.
    Usage& operator+=(const Usage& other);
    bool operator==(const Usage&) const = default;
};

}  // namespace tertulia::chat
