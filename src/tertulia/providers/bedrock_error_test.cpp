#include "tertulia/providers/bedrock_error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::providers {
namespace {

using base::Errc;
using models::Failure;
using models::FailureKind;
using testing::HasSubstr;
using testing::Not;

http::Headers headers_with(std::string type) {
    http::Headers headers;
    headers.add("content-type", "application/json");
    if (!type.empty()) headers.add("x-amzn-errortype", std::move(type));
    return headers;
}

TEST(BedrockError, has_the_type_without_what_surrounds_it) {
    const struct {
        const char *header, *body, *type;
    } table[] = {
        {"ThrottlingException", "{}", "ThrottlingException"},
        {"ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/", "",
         "ExpiredTokenException"},
        {"com.amazon.coral#ValidationException:x", "", "ValidationException"},
        {"", R"({"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"x"})",
         "UnrecognizedClientException"},
        {"", "<html>", ""},
        {"", "", ""},
    };
    for (const auto& row : table) EXPECT_EQ(bedrock_error_type(headers_with(row.header), row.body), row.type);
}

TEST(BedrockError, is_told_by_its_type_then_by_its_status) {
    const struct {
        int status;
        const char *type, *body;
        FailureKind kind;
        Errc code;
    } table[] = {
        {429, "ThrottlingException", R"({"message":"Too many requests"})", FailureKind::overloaded,
         Errc::upstream_unavailable},
        {429, "ThrottlingException", R"({"message":"Too many tokens per day, please wait"})", FailureKind::quota,
         Errc::upstream_unavailable},
        {429, "ModelNotReadyException", "{}", FailureKind::overloaded, Errc::upstream_unavailable},
        {400, "ThrottlingException", "{}", FailureKind::overloaded, Errc::upstream_unavailable},
        {400, "ServiceQuotaExceededException", "{}", FailureKind::quota, Errc::upstream_rejected},
        {408, "ModelTimeoutException", "{}", FailureKind::overloaded, Errc::upstream_unavailable},
        {424, "ModelErrorException", R"({"message":"x","originalStatusCode":400})", FailureKind::failed,
         Errc::upstream_unavailable},
        {500, "InternalServerException", "{}", FailureKind::overloaded, Errc::upstream_unavailable},
        {503, "ServiceUnavailableException", "{}", FailureKind::overloaded, Errc::upstream_unavailable},
        {503, "", "<html>", FailureKind::overloaded, Errc::upstream_unavailable},
        {501, "", "", FailureKind::failed, Errc::upstream_unavailable},
        {400, "ValidationException", R"({"message":"The provided model identifier is invalid."})",
         FailureKind::rejected, Errc::upstream_rejected},
        {400, "ValidationException", R"({"Message":"Input is too long for requested model."})",
         FailureKind::context_too_long, Errc::upstream_rejected},
        {413, "", "", FailureKind::context_too_long, Errc::upstream_rejected},
        {400, "ExpiredTokenException", "{}", FailureKind::denied, Errc::upstream_rejected},
        {403, "AccessDeniedException", "{}", FailureKind::denied, Errc::upstream_rejected},
        {403, "", R"({"Message":"Authentication failed"})", FailureKind::denied, Errc::upstream_rejected},
        {404, "ResourceNotFoundException", "{}", FailureKind::denied, Errc::upstream_rejected},
        {418, "BrandNewException", "{}", FailureKind::rejected, Errc::upstream_rejected},
        {302, "", "", FailureKind::broken, Errc::upstream_unavailable},
    };
    for (const auto& row : table) {
        const Failure failure = bedrock_error(row.status, headers_with(row.type), row.body, base::Secret(), 0);
        EXPECT_EQ(failure.kind, row.kind) << row.status << " " << row.type << " " << row.body;
        EXPECT_EQ(failure.error.code, row.code) << row.status << " " << row.type;
    }
}

TEST(BedrockError, quotes_the_message_without_the_key_and_says_what_to_look_at) {
    const Failure failure =
        bedrock_error(403, headers_with("AccessDeniedException:http://x/"),
                      R"({"Message":"User the-key is not authorized"})", base::Secret("the-key"), 0);
    EXPECT_THAT(failure.error.message, HasSubstr("HTTP 403, AccessDeniedException"));
    EXPECT_THAT(failure.error.message, HasSubstr("User *** is not authorized"));
    EXPECT_THAT(failure.error.message, HasSubstr("credentials"));
    EXPECT_THAT(failure.error.message, Not(HasSubstr("the-key")));
}

TEST(BedrockError, says_when_to_come_back) {
    http::Headers headers = headers_with("ThrottlingException");
    headers.add("retry-after", "7");
    EXPECT_EQ(bedrock_error(429, headers, "{}", base::Secret(), 0).error.retry_after, std::chrono::seconds(7));
    EXPECT_EQ(bedrock_error(400, headers_with("ValidationException"), "{}", base::Secret(), 0).error.retry_after,
              std::nullopt);
}

TEST(BedrockException, is_told_by_its_type_and_not_by_a_number_in_its_body) {
    const struct {
        const char *type, *payload;
        FailureKind kind;
    } table[] = {
        {"throttlingException", R"({"message":"slow"})", FailureKind::overloaded},
        {"modelTimeoutException", R"({"message":"x"})", FailureKind::overloaded},
        {"serviceUnavailableException", "", FailureKind::overloaded},
        {"internalServerException", R"({"message":"x","status":400,"originalStatusCode":400})",
         FailureKind::overloaded},
        {"modelStreamErrorException", R"({"message":"x"})", FailureKind::overloaded},
        {"modelStreamErrorException", R"({"originalStatusCode":500,"originalMessage":"x"})", FailureKind::overloaded},
        {"modelStreamErrorException", R"({"originalStatusCode":400,"originalMessage":"x"})", FailureKind::failed},
        {"validationException", R"({"message":"no"})", FailureKind::rejected},
        {"validationException", R"({"message":"Input is too long for requested model"})",
         FailureKind::context_too_long},
        {"accessDeniedException", "{}", FailureKind::denied},
        {"brandNewException", "{}", FailureKind::overloaded},
        {"", "not JSON", FailureKind::overloaded},
    };
    for (const auto& row : table) {
        const aws::EventStreamMessage message{
            .message_type = "exception", .exception_type = row.type, .payload = row.payload};
        EXPECT_TRUE(is_bedrock_exception(message));
        EXPECT_EQ(bedrock_exception(message, base::Secret()).kind, row.kind) << row.type << " " << row.payload;
    }
}

TEST(BedrockException, comes_as_an_error_and_as_an_event_too) {
    const aws::EventStreamMessage error{
        .message_type = "error", .error_code = "InternalFailure", .error_message = "key the-key"};
    EXPECT_TRUE(is_bedrock_exception(error));
    const Failure failure = bedrock_exception(error, base::Secret("the-key"));
    EXPECT_EQ(failure.kind, FailureKind::overloaded);
    EXPECT_THAT(failure.error.message, HasSubstr("InternalFailure): key ***"));
    const aws::EventStreamMessage event{.message_type = "event", .event_type = "validationException", .payload = "{}"};
    EXPECT_TRUE(is_bedrock_exception(event));
    EXPECT_EQ(bedrock_exception(event, base::Secret()).kind, FailureKind::rejected);
    EXPECT_FALSE(is_bedrock_exception({.message_type = "event", .event_type = "messageStop", .payload = "{}"}));
    EXPECT_TRUE(is_bedrock_exception({.payload = "{}"})) << "a message without a type is no event";
}

}  // namespace
}  // namespace tertulia::providers
