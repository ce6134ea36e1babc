#include "tertulia/api/error_reply.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

using base::Errc;
using namespace std::chrono_literals;

std::string body(const base::Error& error, const ErrorContext& context) {
    std::string out = "data: ";
    append_error(out, error, context);
    return out;
}

TEST(ErrorReply, has_the_four_members) {
    EXPECT_EQ(body({.code = Errc::not_found, .message = "Look \"elsewhere\"."}, {.request_id = "r_1"}),
              R"(data: {"error":"Not found","message":"Look \"elsewhere\".","code":"not_found","request_id":"r_1"})");
}

TEST(ErrorReply, a_narrower_title_stands_for_that_of_the_code) {
    EXPECT_EQ(body({.code = Errc::not_found, .message = "m", .title = "No such session"}, {.request_id = "r_1"}),
              R"(data: {"error":"No such session","message":"m","code":"not_found","request_id":"r_1"})");
}

TEST(ErrorReply, names_the_turn_once_one_has_begun) {
    EXPECT_EQ(body({.code = Errc::timed_out, .message = "m", .retry_after = 1500ms},
                   {.request_id = "r_1", .session_id = "s", .turn_id = "t_1"}),
              R"(data: {"error":"Timed out","message":"m","code":"timed_out","request_id":"r_1","session_id":"s",)"
              R"("turn_id":"t_1","retry_after_ms":1500})");
}

TEST(ErrorReply, says_what_is_left_of_a_budget_and_when_it_is_renewed) {
    const std::string head =
        R"(data: {"error":"Budget exceeded","message":"m","code":"budget_exceeded","request_id":"r",)";
    base::Error error{.code = Errc::budget_exceeded,
                      .message = "m",
                      .budget = base::BudgetLeft{.left_nano = 5, .renews_at_us = 1'732'320'000'000'000}};
    EXPECT_EQ(body(error, {.request_id = "r"}),
              head + R"("budget":{"left_usd":"0.000000005","renews_at":"2024-11-23T00:00:00.000000Z"}})");
    error.budget->renews_at_us.reset();
    EXPECT_EQ(body(error, {.request_id = "r"}), head + R"("budget":{"left_usd":"0.000000005","renews_at":null}})");
}

TEST(ErrorReply, never_lacks_a_message_and_is_always_utf8) {
    EXPECT_EQ(body({.code = Errc::internal, .message = ""}, {.request_id = "r"}),
              R"(data: {"error":"Internal error","message":"Internal error","code":"internal","request_id":"r"})");
    EXPECT_EQ(
        body({.code = Errc::internal, .message = "a\xff"}, {.request_id = "r"}),
        "data: {\"error\":\"Internal error\",\"message\":\"a\ufffd\",\"code\":\"internal\",\"request_id\":\"r\"}");
}

TEST(ErrorReply, has_the_status_of_the_code_or_one_of_its_own) {
    const std::vector<std::pair<Errc, int>> table = {{Errc::invalid_request, 400},
                                                     {Errc::unauthenticated, 401},
                                                     {Errc::budget_exceeded, 402},
                                                     {Errc::forbidden, 403},
                                                     {Errc::not_found, 404},
                                                     {Errc::conflict, 409},
                                                     {Errc::too_large, 413},
                                                     {Errc::rate_limited, 429},
                                                     {Errc::internal, 500},
                                                     {Errc::upstream_rejected, 502},
                                                     {Errc::upstream_unavailable, 503},
                                                     {Errc::unavailable, 503},
                                                     {Errc::timed_out, 504}};
    for (const auto& [code, status] : table) {
        const http::Response response = error_response({.code = code, .message = "m"}, {.request_id = "r"});
        EXPECT_EQ(response.status, status);
        EXPECT_EQ(response.content_type, "application/json");
        EXPECT_EQ(response.headers.find("retry-after"), nullptr);
    }
    EXPECT_EQ(error_response({.code = Errc::invalid_request, .message = "m", .status = 415}, {}).status, 415);
}

TEST(ErrorReply, says_when_to_come_back_in_seconds_rounded_up_and_in_milliseconds) {
    for (const auto& [wait, seconds] : {std::pair{0ms, "0"}, {1ms, "1"}, {1000ms, "1"}, {1001ms, "2"}}) {
        const auto response = error_response({.code = Errc::unavailable, .message = "m", .retry_after = wait}, {});
        EXPECT_EQ(response.headers.get("Retry-After"), seconds);
        EXPECT_EQ(response.headers.get("Retry-After-Ms"), std::to_string(wait.count()));
    }
}

TEST(ErrorReply, a_turn_that_did_not_complete_has_a_reason) {
    sessions::TurnResult result;
    result.state = sessions::TurnState::cancelled;
    EXPECT_EQ(turn_error(result).code, Errc::conflict);
    result.state = sessions::TurnState::interrupted;
    EXPECT_EQ(turn_error(result).code, Errc::unavailable);
    result.state = sessions::TurnState::failed;
    EXPECT_EQ(turn_error(result).code, Errc::internal);
    result.error = base::Error{.code = Errc::timed_out, .message = "silent"};
    EXPECT_EQ(turn_error(result).message, "silent");
}

}  // namespace
}  // namespace tertulia::api
