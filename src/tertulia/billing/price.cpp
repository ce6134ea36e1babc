#include "tertulia/billing/price.h"

#include <algorithm>

namespace tertulia::billing {

const Rates& Price::at(std::int64_t prompt_tokens) const {
    const auto above = std::ranges::lower_bound(tiers, prompt_tokens, {}, &RateTier::above);
    return above == tiers.begin() ? rates : std::prev(above)->rates;
}

Rates WrittenRates::whole() const {
    const std::int64_t write = cache_write.value_or(input);
    return {.input = input,
            .cache_read = cache_read.value_or(input),
            .cache_write = write,
            .cache_write_long = cache_write_long.value_or(write),
            .output = output};
}

}  // namespace tertulia::billing
