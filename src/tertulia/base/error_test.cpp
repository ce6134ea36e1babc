#include "tertulia/base/error.h"

#include <gtest/gtest.h>

namespace tertulia::base {
namespace {

TEST(Errc, HasTheNamesAndStatusesOfTheContract) {
    const struct {
        Errc code;
        const char* name;
        int status;
    } table[] = {
        {Errc::invalid_request, "invalid_request", 400},
        {Errc::unauthenticated, "unauthenticated", 401},
        {Errc::budget_exceeded, "budget_exceeded", 402},
        {Errc::forbidden, "forbidden", 403},
        {Errc::not_found, "not_found", 404},
        {Errc::conflict, "conflict", 409},
        {Errc::too_large, "too_large", 413},
        {Errc::rate_limited, "rate_limited", 429},
        {Errc::internal, "internal", 500},
        {Errc::upstream_rejected, "upstream_rejected", 502},
        {Errc::upstream_unavailable, "upstream_unavailable", 503},
        {Errc::unavailable, "unavailable", 503},
        {Errc::timed_out, "timed_out", 504},
    };
    for (const auto& row : table) {
        EXPECT_EQ(to_string(row.code), row.name);
        EXPECT_EQ(http_status(row.code), row.status) << row.name;
        EXPECT_FALSE(title(row.code).empty());
    }
}

}  // namespace
}  // namespace tertulia::base
