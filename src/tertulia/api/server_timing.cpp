#include "tertulia/api/server_timing.h"

#include <fmt/format.h>

#include <iterator>

namespace tertulia::api {

std::string server_timing(const std::vector<sessions::TurnAttempt>& attempts) {
    std::string out;
    int number = 0;
    for (const sessions::TurnAttempt& attempt : attempts)
        fmt::format_to(std::back_inserter(out), "{}attempt-{};dur={};desc=\"{}\"", out.empty() ? "" : ", ", ++number,
                       attempt.ms, attempt.outcome);
    return out;
}

}  // namespace tertulia::api
