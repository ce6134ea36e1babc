#include "tertulia/base/error.h"

#include <array>

namespace tertulia::base {
namespace {

struct Row {
    std::string_view name;
    std::string_view title;
    int status;
};

// In the order of Errc.
constexpr std::array<Row, 13> table{{
    {"invalid_request", "Invalid request", 400},
    {"unauthenticated", "Unauthenticated", 401},
    {"forbidden", "Forbidden", 403},
    {"not_found", "Not found", 404},
    {"conflict", "Conflict", 409},
    {"too_large", "Too large", 413},
    {"rate_limited", "Rate limited", 429},
    {"budget_exceeded", "Budget exceeded", 402},
    {"upstream_rejected", "The AI provider refused the request", 502},
    {"upstream_unavailable", "The AI provider is unavailable", 503},
    {"unavailable", "Temporarily unavailable", 503},
    {"timed_out", "Timed out", 504},
    {"internal", "Internal error", 500},
}};
static_assert(table.size() == static_cast<std::size_t>(Errc::internal) + 1);

const Row& row(Errc code) {
    return table[static_cast<std::size_t>(code)];
}

}  // namespace

std::string_view to_string(Errc code) {
    return row(code).name;
}
std::string_view title(Errc code) {
    return row(code).title;
}
int http_status(Errc code) {
    return row(code).status;
}

}  // namespace tertulia::base
