#include "tertulia/billing/cost.h"

#include <algorithm>
#include <limits>

#include "tertulia/billing/money.h"

namespace tertulia::billing {
namespace {

__extension__ using Wide = __int128;  // tokens times pico-dollars: 2^63 * 10^12 and five of them

Wide times(std::int64_t tokens, std::int64_t rate) {
    return static_cast<Wide>(std::max<std::int64_t>(tokens, 0)) * rate;
}

std::int64_t to_nano(Wide pico, std::int64_t to_add) {
    const Wide nano = (pico + to_add) / pico_per_nano;
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    return nano > most ? most : static_cast<std::int64_t>(nano);
}

}  // namespace

std::int64_t cost_nano(const chat::Usage& usage, const Price& price) {
    const Rates& rates = price.at(usage.prompt());
    const Wide pico = times(usage.input, rates.input) + times(usage.cache_read, rates.cache_read) +
                      times(usage.cache_write, rates.cache_write) +
                      times(usage.cache_write_long, rates.cache_write_long) + times(usage.output, rates.output) +
                      times(usage.reasoning, rates.output);
    return to_nano(pico, pico_per_nano / 2);
}

std::int64_t worst_case_nano(const Price& price, std::int64_t input_tokens, std::int64_t max_tokens) {
    const Rates& rates = price.at(input_tokens);
    const std::int64_t input = std::max(rates.input, rates.cache_write);
    return to_nano(times(input_tokens, input) + times(max_tokens, rates.output), pico_per_nano - 1);
}

}  // namespace tertulia::billing
