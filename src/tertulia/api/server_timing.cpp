#include "tertulia/api/server_timing.h"

namespace tertulia::api {

std::string server_timing(const std::vector<sessions::TurnAttempt>& attempts) {
    std::string out;
    int number = 0;
    for (const sessions::TurnAttempt& attempt : attempts)
        out.append(out.empty() ? "" : ", ")
            .append("attempt-")
            .append(std::to_string(++number))
            .append(";dur=")
            .append(std::to_string(attempt.ms))
            .append(";desc=\"")
            .append(attempt.outcome)
            .append("\"");
    return out;
}

}  // namespace tertulia::api
