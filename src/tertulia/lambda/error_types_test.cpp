#include "tertulia/lambda/error_types.h"

#include <gtest/gtest.h>

#include <map>

namespace tertulia::lambda {
namespace {

using base::Errc;

TEST(ErrorTypes, every_code_has_one) {
    const std::map<Errc, std::string_view> table{
        {Errc::invalid_request, "Request.Invalid"},
        {Errc::unauthenticated, "Request.Invalid"},
        {Errc::forbidden, "Request.Invalid"},
        {Errc::not_found, "Request.Invalid"},
        {Errc::conflict, "Session.Busy"},
        {Errc::too_large, "Request.Invalid"},
        {Errc::rate_limited, "Server.Unavailable"},
        {Errc::budget_exceeded, "Budget.Exceeded"},
        {Errc::upstream_rejected, "Provider.Rejected"},
        {Errc::upstream_unavailable, "Provider.Overloaded"},
        {Errc::unavailable, "Server.Unavailable"},
        {Errc::timed_out, "Provider.TimedOut"},
        {Errc::internal, "Server.Unavailable"},
    };
    ASSERT_EQ(table.size(), static_cast<std::size_t>(Errc::internal) + 1) << "a code of base/error.h is missing";
    for (const auto& [code, type] : table) EXPECT_EQ(error_type(code), type) << base::to_string(code);
}

}  // namespace
}  // namespace tertulia::lambda
