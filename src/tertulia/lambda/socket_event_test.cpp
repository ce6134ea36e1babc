#include "tertulia/lambda/socket_event.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "support/recordings.h"

namespace tertulia::lambda {
namespace {

using Type = SocketEvent::Type;

boost::json::object object(std::string_view text) {
    return boost::json::parse({text.data(), text.size()}).as_object();
}

// One of AWS's own samples.
boost::json::object sample(const std::string& name) {
    return object(support::read_file(support::shared_data() / "lambda-events" / name));
}

TEST(SocketEvent, messages_of_aws_are_read) {
    TERTULIA_NEED_SHARED_DATA("lambda-events");
    const auto read = read_socket_event(sample("lambda-go/apigw-websocket-message.json"));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->type, Type::message);
    EXPECT_EQ(read->client.connection_id, "R1kmxc2VNjMCFIA=");
    EXPECT_EQ(read->client.stage.domain, "dl7ptocha9.execute-api.ap-northeast-1.amazonaws.com");
    EXPECT_EQ(read->client.stage.api_id, "gy415nuibc");
    EXPECT_EQ(read->client.stage.stage, "prod");
    EXPECT_EQ(read->message_id, "R1knPc2ntjMCFIA=");
    EXPECT_EQ(read->message, "{\r\n\t\"a\": 1\r\n}");
}

TEST(SocketEvent, and_so_are_openings_and_ends) {
    TERTULIA_NEED_SHARED_DATA("lambda-events");
    const std::string folder = "rust-runtime/example-apigw-websocket-request";
    const auto other = read_socket_event(sample(folder + ".json"));
    const auto end = read_socket_event(sample(folder + "-disconnect-route.json"));
    const auto read = read_socket_event(sample(folder + "-without-method.json"));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type, Type::connect);
    EXPECT_EQ(read->handshake.path, "/ws");
    EXPECT_EQ(read->handshake.headers.get("host"), "asdfasdf.execute-api.us-west-2.amazonaws.com");
    EXPECT_EQ(other->type, Type::connect);
    EXPECT_EQ(end->type, Type::disconnect);
    EXPECT_EQ(end->client.connection_id, "AAAA1234=");
}

TEST(SocketEvent, every_value_of_a_field_counts) {
    const auto read = read_socket_event(object(R"({"requestContext":{"eventType":"CONNECT","connectionId":"a"},
        "headers":{"X":"2"},"multiValueHeaders":{"X":["1","2"],"Origin":["https://a.example"]}})"));
    ASSERT_EQ(read->handshake.headers.fields().size(), 3u);
    EXPECT_EQ(read->handshake.headers.get("origin"), "https://a.example");
    const auto single = read_socket_event(object(
        R"({"requestContext":{"eventType":"CONNECT","connectionId":"a"},"headers":{"Authorization":"Bearer x"}})"));
    EXPECT_EQ(single->handshake.headers.get("authorization"), "Bearer x");
}

TEST(SocketEvent, a_message_may_come_encoded) {
    const auto read = read_socket_event(object(
        R"({"requestContext":{"eventType":"MESSAGE","connectionId":"a"},"body":"eyJ9","isBase64Encoded":true})"));
    EXPECT_EQ(read->message, "{\"}");
}

TEST(SocketEvent, an_address_is_read_as_it_was_written) {
    const aws::GatewayStage stage{
        .domain = "abc.execute-api.eu-west-1.amazonaws.com", .api_id = "abc", .stage = "prod"};
    EXPECT_EQ(read_address(write_address(stage)), stage);
    EXPECT_FALSE(read_address(""));
    EXPECT_FALSE(read_address("one two"));
}

TEST(SocketEvent, what_is_none_is_refused) {
    for (const char* wrong :
         {"{}", R"({"requestContext":7})", R"({"requestContext":{"connectionId":"a"}})",
          R"({"requestContext":{"eventType":"MESSAGE"}})", R"({"requestContext":{"eventType":"X","connectionId":"a"}})",
          R"({"requestContext":{"eventType":"MESSAGE","connectionId":"a"},"body":"?","isBase64Encoded":true})",
          R"({"requestContext":{"eventType":"MESSAGE","connectionId":"a"},"body":"/w==","isBase64Encoded":true})",
          R"({"requestContext":{"eventType":"MESSAGE","connectionId":7}})"})
        EXPECT_FALSE(read_socket_event(object(wrong))) << wrong;
}

}  // namespace
}  // namespace tertulia::lambda
