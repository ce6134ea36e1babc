// Usage times price.
#pragma once

#include <cstdint>

#include "tertulia/billing/price.h"
#include "tertulia/chat/usage.h"

namespace tertulia::billing {

/// What one attempt costs, in nano-dollars: each class of tokens at its rate, reasoning as output, added up exactly and
/// rounded half up once. Never below 0.
std::int64_t cost_nano(const chat::Usage& usage, const Price& price);

/// The most that an attempt can cost, in nano-dollars: its estimated prompt at the dearest price that it can have (read
/// anew, or written to the default cache) and `max_tokens` of output; rounded up.
std::int64_t worst_case_nano(const Price& price, std::int64_t input_tokens, std::int64_t max_tokens);

}  // namespace tertulia::billing
