#include "tertulia/aws/service_error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/recordings.h"

namespace tertulia::aws {
namespace {

using base::Errc;

http::Headers no_headers() {
    return {};
}

TEST(ServiceError, ReadsTheFormsThatServicesUse) {
    struct Row {
        int status;
        std::string header, body;
        ServiceError error;  // without its body
    };
    const std::vector<Row> table{
        {400,
         "",
         R"({"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Message":"no","Item":{}})",
         {.code = "ConditionalCheckFailedException", .message = "no", .status = 400, .errc = Errc::upstream_rejected}},
        {400,
         "",
         R"({"__type":"com.amazon.coral.validate#ValidationException","message":"bad\u0007 thing\nToken: SECRET"})",
         {.code = "ValidationException", .message = "bad  thing", .status = 400, .errc = Errc::upstream_rejected}},
        {410, "GoneException:http://x/", "", {.code = "GoneException", .status = 410, .errc = Errc::upstream_rejected}},
        {404,
         "ResourceNotFoundException",
         R"({"Type":"User","Message":"Function not found"})",
         {.code = "ResourceNotFoundException",
          .message = "Function not found",
          .status = 404,
          .errc = Errc::upstream_rejected}},
        {400,
         "",
         R"({"__type":"AccessDeniedException","message":"not authorized"})",
         {.code = "AccessDeniedException", .message = "not authorized", .status = 400, .errc = Errc::forbidden}},
        {403, "", "<html>", {.status = 403, .errc = Errc::forbidden}},
        {503, "", "", {.status = 503, .errc = Errc::upstream_unavailable}},
        {400,
         "",
         R"({"__type":"x#ThrottlingException","message":"slow"})",
         {.code = "ThrottlingException", .message = "slow", .status = 400, .errc = Errc::upstream_unavailable}},
        {400,
         "",
         R"({"__type":"x#ExpiredTokenException","message":"old"})",
         {.code = "ExpiredTokenException", .message = "old", .status = 400, .errc = Errc::unauthenticated}},
        {400, "", R"({"__type":7,"message":[]})", {.status = 400, .errc = Errc::upstream_rejected}},
        {400, "", R"({"__type":"x#)", {.status = 400, .errc = Errc::upstream_rejected}},
    };
    for (const Row& row : table) {
        http::Headers headers;
        if (!row.header.empty()) headers.add("x-amzn-ErrorType", row.header);
        ServiceError expected = row.error;
        expected.body = row.body;
        EXPECT_EQ(read_service_error(row.status, headers, row.body), expected) << row.body << row.header;
    }
}

TEST(ServiceError, KeepsALongMessageShort) {
    const auto error =
        read_service_error(400, no_headers(), R"({"__type":"a#B","message":")" + std::string(5000, 'x') + "\"}");
    EXPECT_EQ(error.message.size(), 300);
}

TEST(ServiceError, IsToldInPlainWords) {
    const auto told = [](ServiceError error) { return to_error(error, "DynamoDB"); };
    EXPECT_EQ(told({.code = "ValidationException", .message = "no", .status = 400, .errc = Errc::upstream_rejected}),
              (base::Error{.code = Errc::upstream_rejected,
                           .message = "DynamoDB refuses the request (ValidationException): no."}));
    EXPECT_EQ(told({.status = 503}).message, "DynamoDB fails (HTTP 503).");
    EXPECT_EQ(told({.message = "connection refused."}).message, "DynamoDB cannot be asked: connection refused.");
    EXPECT_EQ(told({.code = "AccessDenied", .status = 403, .errc = Errc::forbidden}).message,
              "DynamoDB does not permit it (AccessDenied).");
    EXPECT_EQ(told({.code = "ExpiredToken", .status = 403, .errc = Errc::unauthenticated}).message,
              "DynamoDB does not take the credentials (ExpiredToken).");
    EXPECT_EQ(told({.message = "stopped", .errc = Errc::unavailable}).message, "stopped");
}

// Every exchange of DynamoDB Local that ended in an error.
TEST(ServiceError, ReadsRealErrors) {
    TERTULIA_NEED_SHARED_DATA("dynamodb/local");
    int errors = 0;
    for (const auto& file : std::filesystem::directory_iterator(support::shared_data() / "dynamodb" / "local")) {
        const std::string text = support::read_file(file.path());
        const std::size_t at = text.find("----- response -----");
        ASSERT_NE(at, std::string::npos) << file.path();
        const std::string answer = text.substr(text.find('\n', at) + 1);
        const int status = std::stoi(answer.substr(9, 3));
        if (status < 400) continue;
        ++errors;
        const std::size_t body = answer.find("\n{");
        ASSERT_NE(body, std::string::npos) << file.path();
        const ServiceError error = read_service_error(status, no_headers(), answer.substr(body + 1));
        EXPECT_TRUE(error.code.ends_with("Exception")) << file.path() << ": " << error.code;
        EXPECT_EQ(error.errc, Errc::upstream_rejected) << file.path();
        // At every byte that it may be cut: never more than what is there.
        for (std::size_t cut = body + 1; cut + 1 < answer.size(); ++cut)
            EXPECT_EQ(read_service_error(status, no_headers(), answer.substr(body + 1, cut - body)).code, "");
    }
    EXPECT_GE(errors, 7);
}

}  // namespace
}  // namespace tertulia::aws
