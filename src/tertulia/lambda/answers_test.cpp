#include "tertulia/lambda/answers.h"

#include <gtest/gtest.h>

namespace tertulia::lambda {
namespace {

http::Response response() {
    http::Response answer{
        .status = 201, .content_type = "application/json", .headers = {}, .body = "{\"a\":\"\xc3\xa4\"}"};
    answer.headers.add("X-Request-Id", "r_1");
    answer.headers.add("Vary", "origin");
    answer.headers.add("vary", "accept");
    answer.headers.add("Set-Cookie", "a=1");
    answer.headers.add("Set-Cookie", "b=2");
    return answer;
}

TEST(LambdaAnswers, ToARestApiRepeatedFieldsAreLists) {
    EXPECT_EQ(answer_json(EventShape::rest, response()),
              "{\"statusCode\":201,\"headers\":{\"content-type\":\"application/json\",\"x-request-id\":\"r_1\"},"
              "\"multiValueHeaders\":{\"vary\":[\"origin\",\"accept\"],\"set-cookie\":[\"a=1\",\"b=2\"]},"
              "\"body\":\"{\\\"a\\\":\\\"\xc3\xa4\\\"}\",\"isBase64Encoded\":false}");
}

TEST(LambdaAnswers, ToAnHttpApiTheyAreJoinedAndCookiesApart) {
    EXPECT_EQ(answer_json(EventShape::http, response()),
              "{\"statusCode\":201,\"headers\":{\"content-type\":\"application/json\",\"x-request-id\":\"r_1\","
              "\"vary\":\"origin, accept\"},\"cookies\":[\"a=1\",\"b=2\"],"
              "\"body\":\"{\\\"a\\\":\\\"\xc3\xa4\\\"}\",\"isBase64Encoded\":false}");
}

TEST(LambdaAnswers, WhatIsNoTextIsBase64) {
    EXPECT_EQ(answer_json(EventShape::http, {.status = 200, .body = std::string("\xff\0", 2)}),
              R"({"statusCode":200,"headers":{},"body":"/wA=","isBase64Encoded":true})");
    http::Response odd{.status = 200};
    odd.headers.add("x", "\xff");
    EXPECT_EQ(answer_json(EventShape::http, odd),
              "{\"statusCode\":200,\"headers\":{\"x\":\"\xef\xbf\xbd\"},\"body\":\"\",\"isBase64Encoded\":false}");
}

TEST(LambdaAnswers, ThePreludeEndsWithEightNuls) {
    http::Response head{.status = 200, .content_type = "text/event-stream"};
    head.headers.add("set-cookie", "a=1");
    const std::string nuls(8, '\0');
    EXPECT_EQ(answer_prelude(EventShape::http, head),
              R"({"statusCode":200,"headers":{"content-type":"text/event-stream"},"cookies":["a=1"]})" + nuls);
    EXPECT_EQ(answer_prelude(EventShape::rest, head),
              R"({"statusCode":200,"headers":{"content-type":"text/event-stream","set-cookie":"a=1"}})" + nuls);
}

}  // namespace
}  // namespace tertulia::lambda
