// How long models take to begin an answer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tertulia/base/clock.h"

namespace tertulia::models {

/// The latest times from sending a request to its first content, for each model and size of prompt. Shared; safe from
/// any thread.
class FirstTokenTimes {
  public:
    void add(std::string_view model, std::int64_t prompt_tokens, base::Milliseconds time);
    /// What 95 of 100 calls stayed under; nothing until there are `enough` of them.
    std::optional<base::Milliseconds> p95(std::string_view model, std::int64_t prompt_tokens) const;

    static constexpr std::size_t enough = 20;

  private:
    static constexpr std::size_t kept = 64;
    static constexpr std::size_t sizes = 5;  // up to 1 000 tokens, 4 000, 16 000, 64 000, and more
    static std::size_t size_of(std::int64_t prompt_tokens);

    struct Times {
        std::vector<base::Milliseconds> latest;  // a ring of `kept`
        std::size_t next = 0;
    };
    mutable std::mutex mutex_;
    std::map<std::string, std::array<Times, sizes>, std::less<>> models_;
};

}  // namespace tertulia::models
