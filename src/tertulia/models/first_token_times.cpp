#include "tertulia/models/first_token_times.h"

#include <algorithm>

namespace tertulia::models {

std::size_t FirstTokenTimes::size_of(std::int64_t prompt_tokens) {
    std::size_t size = 0;
    for (std::int64_t limit = 1000; prompt_tokens > limit && size + 1 < sizes; limit *= 4) ++size;
    return size;
}

void FirstTokenTimes::add(std::string_view model, std::int64_t prompt_tokens, base::Milliseconds time) {
    // Names come from clients: beyond so many different ones no more are kept.
    constexpr std::size_t max_models = 1000;
    const std::lock_guard lock(mutex_);
    auto found = models_.find(model);
    if (found == models_.end()) {
        if (models_.size() >= max_models) return;
        found = models_.try_emplace(std::string(model)).first;
    }
    Times& times = found->second.at(size_of(prompt_tokens));
    if (times.latest.size() < kept) {
        times.latest.push_back(time);
    } else {
        times.latest[times.next] = time;
        times.next = (times.next + 1) % kept;
    }
}

std::optional<base::Milliseconds> FirstTokenTimes::p95(std::string_view model, std::int64_t prompt_tokens) const {
    std::vector<base::Milliseconds> times;
    {
        const std::lock_guard lock(mutex_);
        const auto found = models_.find(model);
        if (found == models_.end()) return std::nullopt;
        times = found->second.at(size_of(prompt_tokens)).latest;
    }
    if (times.size() < enough) return std::nullopt;
    const auto place = times.begin() + static_cast<std::ptrdiff_t>(times.size() * 95 / 100);
    std::ranges::nth_element(times, place);
    return *place;
}

}  // namespace tertulia::models
