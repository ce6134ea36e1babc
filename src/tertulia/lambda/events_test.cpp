#include "tertulia/lambda/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/base/json.h"
#include "tests/support/recordings.h"

namespace tertulia::lambda {
namespace {

using testing::ElementsAre;
using testing::Pair;

boost::json::object parse(std::string_view text) {
    auto value = base::parse_json(text);
    EXPECT_TRUE(value) << (value ? "" : value.error().message);
    return value ? value->as_object() : boost::json::object();
}

http::Request read(EventShape shape, std::string_view text) {
    auto request = read_http_event(shape, parse(text));
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? *request : http::Request();
}

// A REST API's event with these members in the place of the usual ones.
std::string rest(std::string_view members) {
    return R"({"resource":"/{proxy+}","httpMethod":"GET","requestContext":{"stage":"prod"},)" + std::string(members) +
           "}";
}

std::string http(std::string_view path, std::string_view query, std::string_view stage = "$default",
                 std::string_view more = "") {
    return R"({"version":"2.0","routeKey":"$default","rawPath":")" + std::string(path) + R"(","rawQueryString":")" +
           std::string(query) + R"(","requestContext":{"stage":")" + std::string(stage) +
           R"(","http":{"method":"GET"}})" + std::string(more) + "}";
}

struct Sample {
    const char* file;
    EventShape shape;
    const char* method = "";
    const char* target = "";
};

// What real events are, and what they ask for.
const Sample samples[] = {
    {"rust-runtime/example-apigw-request.json", EventShape::rest, "POST", "/hello/world?name=me"},
    {"rust-runtime/example-apigw-request-multi-value-parameters.json", EventShape::rest, "POST",
     "/hello/world?name=me&name=me2"},
    {"rust-runtime/example-apigw-restapi-openapi-request.json", EventShape::rest, "POST", "/hello/world?name=me"},
    {"rust-runtime/example-apigw-request-catch-all.json", EventShape::rest, "POST", "/hello/world?name=me"},
    {"rust-runtime/example-apigw-console-request.json", EventShape::rest, "POST", "/path/to/resource?foo=bar"},
    {"rust-runtime/example-apigw-console-test-request.json", EventShape::rest, "POST", "/myPath"},
    {"rust-runtime/example-apigw-sam-rest-request.json", EventShape::rest, "GET", "/test"},
    {"rust-runtime/example-apigw-sam-http-request.json", EventShape::http, "GET", "/dump?foo=bar"},
    {"rust-runtime/example-apigw-v2-request-no-authorizer.json", EventShape::http, "GET", "/"},
    {"rust-runtime/example-apigw-v2-request-iam.json", EventShape::http, "GET",
     "/my/path?parameter1=value1&parameter1=value2&parameter2=value"},
    {"rust-runtime/example-apigw-v2-request-jwt-authorizer.json", EventShape::http, "GET",
     "/my/path?parameter1=value1&parameter1=value2&parameter2=value"},
    {"rust-runtime/example-apigw-v2-request-lambda-authorizer.json", EventShape::http, "GET",
     "/my/path?parameter1=value1&parameter1=value2&parameter2=value"},
    {"rust-runtime/example-apigw-v2-request-multi-value-parameters.json", EventShape::http, "GET",
     "/my/path?Parameter1=value1&Parameter1=value2"},
    {"lambda-go/function-url-request.json", EventShape::http, "POST",
     "/my/path?parameter1=value1&parameter1=value2&parameter2=value"},
    {"lambda-go/apigw-websocket-message.json", EventShape::websocket},
    {"rust-runtime/example-apigw-websocket-request.json", EventShape::websocket},
    {"rust-runtime/example-apigw-websocket-request-without-method.json", EventShape::websocket},
    {"rust-runtime/example-apigw-websocket-request-disconnect-route.json", EventShape::websocket},
    {"rust-runtime/example-alb-lambda-target-request-headers-only.json", EventShape::unknown},
    {"rust-runtime/example-apigw-custom-auth-request-type-request.json", EventShape::unknown},
    {"rust-runtime/example-apigw-custom-auth-request.json", EventShape::unknown},
    {"rust-runtime/example-apigw-v2-custom-authorizer-v1-request.json", EventShape::unknown},
    {"rust-runtime/example-apigw-v2-custom-authorizer-v2-request.json", EventShape::unknown},
    {"rust-runtime/example-apigw-v2-custom-authorizer-websocket-request.json", EventShape::unknown},
    {"rust-runtime/example-bedrock-agent-runtime-event.json", EventShape::unknown},
    {"rust-runtime/example-cloudwatch_logs-event.json", EventShape::unknown},
    {"rust-runtime/example-dynamodb-event.json", EventShape::unknown},
    {"rust-runtime/example-eventbridge-schedule.json", EventShape::unknown},
    {"rust-runtime/example-sns-event.json", EventShape::unknown},
    {"rust-runtime/example-sqs-event.json", EventShape::unknown},
};

TEST(LambdaEvents, RealOnesAreWhatTheyAre) {
    TERTULIA_NEED_SHARED_DATA("lambda-events");
    for (const Sample& sample : samples) {
        const boost::json::object event =
            parse(support::read_file(support::shared_data() / "lambda-events" / sample.file));
        EXPECT_EQ(event_shape(event), sample.shape) << sample.file << " is " << to_string(event_shape(event));
        if (!*sample.method) continue;
        const auto request = read_http_event(sample.shape, event);
        ASSERT_TRUE(request) << sample.file << ": " << request.error().message;
        EXPECT_EQ(request->method, sample.method) << sample.file;
        EXPECT_EQ(request->target, sample.target) << sample.file;
    }
}

TEST(LambdaEvents, AllValuesOfAHeaderAreThere) {
    const http::Request request = read(EventShape::rest, rest(R"("path":"/x","headers":{"A":"2","B":"3"},
        "multiValueHeaders":{"A":["1","2"]})"));
    EXPECT_THAT(request.headers.fields(), ElementsAre(Pair("A", "1"), Pair("A", "2"), Pair("B", "3")));
}

TEST(LambdaEvents, CookiesAreOneHeader) {
    const http::Request request =
        read(EventShape::http, http("/x", "", "$default", R"(,"cookies":["a=1","b=2"],"headers":{"host":"h"})"));
    EXPECT_EQ(request.headers.get("cookie"), "a=1; b=2");
    EXPECT_EQ(request.headers.get("host"), "h");
}

TEST(LambdaEvents, WhatCouldWriteIntoAHeadIsLeftOut) {
    const http::Request request = read(
        EventShape::http, http("/x", "", "$default", R"(,"headers":{"a b":"1","c":"1\r\nx: y","d":null,"e":"1"})"));
    EXPECT_THAT(request.headers.fields(), ElementsAre(Pair("e", "1")));
}

TEST(LambdaEvents, TheBodyIsDecoded) {
    const auto body = [](std::string_view members) {
        return read(EventShape::rest, rest(R"("path":"/x",)" + std::string(members))).body;
    };
    EXPECT_EQ(body(R"("body":null)"), "");
    EXPECT_EQ(body(R"("body":"{\"a\":1}","isBase64Encoded":false)"), R"({"a":1})");
    EXPECT_EQ(body(R"("body":"/wA=","isBase64Encoded":true)"), std::string("\xff\0", 2));
    EXPECT_FALSE(read_http_event(EventShape::rest, parse(rest(R"("path":"/x","body":"?","isBase64Encoded":true)"))));
}

struct PathCase {
    const char* what;
    EventShape shape;
    std::string event;
    const char* target;
    const char* path;
};

TEST(LambdaEvents, ThePathIsThatBeneathTheApi) {
    const auto stage = [](std::string_view path, std::string_view name) { return http(path, "", name); };
    const PathCase cases[] = {
        {"as it is", EventShape::http, http("/chat", ""), "/chat", "/chat"},
        {"a stage", EventShape::http, stage("/prod/chat", "prod"), "/chat", "/chat"},
        {"a stage alone", EventShape::http, stage("/prod", "prod"), "/", "/"},
        {"a stage as a word's beginning", EventShape::http, stage("/production", "prod"), "/production", "/production"},
        {"encoded", EventShape::http, http("/sessions/a%2Fb/messages", ""), "/sessions/a%2Fb/messages",
         "/sessions/a/b/messages"},
        {"decoded by the front", EventShape::http, http("/a b/\u00e4", ""), "/a%20b/%C3%A4", "/a b/\u00e4"},
        {"a percent sign alone", EventShape::http, http("/100%", ""), "/100%25", "/100%"},
        {"a question mark", EventShape::http, http("/a?b", ""), "/a%3Fb", "/a?b"},
        {"REST", EventShape::rest, rest(R"("path":"/chat","pathParameters":{"proxy":"chat"})"), "/chat", "/chat"},
        {"REST, a session called like the stage", EventShape::rest,
         rest(R"("path":"/prod/x","pathParameters":{"proxy":"prod/x"})"), "/prod/x", "/prod/x"},
        {"REST, a custom domain's mapping", EventShape::rest,
         rest(R"("path":"/v1/chat","pathParameters":{"proxy":"chat"})"), "/chat", "/chat"},
        {"REST, an encoded parameter", EventShape::rest,
         rest(R"("path":"/v1/sessions/a%20b","pathParameters":{"proxy":"sessions/a b"})"), "/sessions/a%20b",
         "/sessions/a b"},
        {"REST without parameters", EventShape::rest, rest(R"("path":"/prod/chat","pathParameters":null)"), "/chat",
         "/chat"},
        {"a route with a template", EventShape::http,
         R"({"version":"2.0","routeKey":"GET /sessions/{id}/messages","rawPath":"/v1/sessions/s/messages",
             "pathParameters":{"id":"s"},"requestContext":{"stage":"$default","http":{"method":"GET"}}})",
         "/sessions/s/messages", "/sessions/s/messages"},
    };
    for (const PathCase& one : cases) {
        const http::Request request = read(one.shape, one.event);
        EXPECT_EQ(request.target, one.target) << one.what;
        EXPECT_EQ(request.path, one.path) << one.what;
    }
}

TEST(LambdaEvents, TheQueryKeepsItsMeaning) {
    const http::Request raw = read(EventShape::http, http("/x", "a=1%202&a=3&b"));
    EXPECT_EQ(raw.target, "/x?a=1%202&a=3&b");
    EXPECT_EQ(raw.query("a"), "1 2");
    // A REST API has decoded them.
    const http::Request decoded =
        read(EventShape::rest, rest(R"("path":"/x","multiValueQueryStringParameters":{"a&":["1 +=&%","2"],"b":[""]})"));
    EXPECT_EQ(decoded.query("a&"), "1 +=&%");
    EXPECT_EQ(decoded.query("b"), "");
    EXPECT_EQ(read(EventShape::rest, rest(R"("path":"/x","queryStringParameters":{"a":"1"})")).query("a"), "1");
}

TEST(LambdaEvents, WhatIsNoRequestIsRefused) {
    for (const std::string& event : {
             std::string(R"({})"),
             rest(R"("path":"chat")"),
             rest(R"("path":7)"),
             rest(R"("path":"/a\u0000")"),
             std::string(R"({"resource":"/","httpMethod":"G T","path":"/","requestContext":{}})"),
         }) {
        const auto request = read_http_event(EventShape::rest, parse(event));
        ASSERT_FALSE(request) << event;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request);
    }
}

TEST(LambdaEvents, DirectOnesSayTheirKind) {
    EXPECT_EQ(event_shape(parse(R"({"kind":"chat.turn"})")), EventShape::direct);
    EXPECT_EQ(event_shape(parse(R"({"kind":7})")), EventShape::unknown);
    EXPECT_EQ(event_shape(boost::json::value(7)), EventShape::unknown);
}

TEST(LambdaEvents, WhatTheGatewaySaysOfItself) {
    EXPECT_TRUE(is_function_url(parse(R"({"requestContext":{"domainName":"x.lambda-url.eu-west-1.on.aws"}})")));
    EXPECT_FALSE(
        is_function_url(parse(R"({"requestContext":{"domainName":"x.execute-api.eu-west-1.amazonaws.com"}})")));
    EXPECT_EQ(gateway_time_ms(parse(R"({"requestContext":{"timeEpoch":12}})")), 12);
    EXPECT_EQ(gateway_time_ms(parse(R"({})")), 0);
}

}  // namespace
}  // namespace tertulia::lambda
