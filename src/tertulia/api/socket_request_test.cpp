#include "tertulia/api/socket_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

using testing::HasSubstr;
using Type = SocketRequest::Type;

SocketRequest parse(std::string_view text) {
    std::string id;
    auto request = parse_socket_request(text, id);
    EXPECT_TRUE(request.has_value()) << text << ": " << (request ? "" : request.error().message);
    return request ? *std::move(request) : SocketRequest{};
}

TEST(SocketRequest, every_type_is_taken) {
    EXPECT_EQ(parse(R"({"type":"ping"})").type, Type::ping);

    const auto chat = parse(R"({"type":"chat","message":"Hi","session_id":"s","on_busy":"reject","model":"a/b"})");
    EXPECT_EQ(chat.type, Type::chat);
    EXPECT_EQ(chat::text_of(chat.chat.turn.content), "Hi");
    EXPECT_EQ(chat.chat.turn.session_id, "s");
    EXPECT_EQ(chat.chat.turn.model, "a/b");
    EXPECT_EQ(chat.chat.on_busy, sessions::OnBusy::reject);
    EXPECT_TRUE(chat.chat.turn.stream) << "events are asked for, whatever is said of it";
    EXPECT_TRUE(parse(R"({"type":"chat","message":"Hi","stream":false})").chat.turn.stream);

    const auto subscribe = parse(R"({"type":"subscribe","session_id":"s","last_event_id":"t_1:12"})");
    EXPECT_EQ(subscribe.type, Type::subscribe);
    EXPECT_EQ(subscribe.session_id, "s");
    ASSERT_TRUE(subscribe.last_event_id);
    EXPECT_EQ(subscribe.last_event_id->turn_id, "t_1");
    EXPECT_EQ(subscribe.last_event_id->number, 12u);
    EXPECT_FALSE(parse(R"({"type":"subscribe","session_id":"s"})").last_event_id);

    EXPECT_EQ(parse(R"({"type":"unsubscribe","session_id":"s"})").type, Type::unsubscribe);

    const auto resume = parse(R"({"type":"resume","session_id":"s","turn_id":"t_1","last_event_id":"t_1:3"})");
    EXPECT_EQ(resume.type, Type::resume);
    EXPECT_EQ(resume.turn_id, "t_1");
    EXPECT_EQ(resume.last_event_id->number, 3u);
    EXPECT_FALSE(parse(R"({"type":"resume","session_id":"s","turn_id":"t_1","last_event_id":null})").last_event_id);

    const auto cancel = parse(R"({"type":"cancel","session_id":"s","turn_id":"t_1"})");
    EXPECT_EQ(cancel.type, Type::cancel);
    EXPECT_EQ(cancel.turn_id, "t_1");
}

TEST(SocketRequest, the_clients_own_id_is_kept_for_the_answer_and_for_the_error) {
    std::string id = "of an earlier one";
    EXPECT_EQ(parse_socket_request(R"({"type":"ping","request_id":"a"})", id)->request_id, "a");
    EXPECT_EQ(id, "a");
    EXPECT_FALSE(parse_socket_request(R"({"request_id":"b","type":"no"})", id));
    EXPECT_EQ(id, "b");
    EXPECT_FALSE(parse_socket_request(R"({"request_id":"c","type":"chat","message":7})", id));
    EXPECT_EQ(id, "c");
    EXPECT_TRUE(parse_socket_request(R"({"type":"ping"})", id));
    EXPECT_EQ(id, "");
    const std::string longest(64, 'x');
    EXPECT_EQ(parse(R"({"type":"ping","request_id":")" + longest + "\"}").request_id, longest);
    std::string wide;
    for (int i = 0; i < 64; ++i) wide += "\xf0\x9f\x98\x80";
    EXPECT_EQ(parse(R"({"type":"ping","request_id":")" + wide + "\"}").request_id, wide) << "characters, not bytes";
    for (const std::string& value :
         {"\"" + longest + "x\"", std::string("7"), std::string("{}"), std::string("[\"a\"]")})
        EXPECT_FALSE(parse_socket_request(R"({"type":"ping","request_id":)" + value + "}", id)) << value;
}

TEST(SocketRequest, a_key_makes_a_chat_happen_once) {
    const auto with_key = parse(R"({"type":"chat","message":"Hi","idempotency_key":"k","request_id":"1"})");
    EXPECT_FALSE(with_key.chat.turn.once.key.empty());
    EXPECT_FALSE(with_key.chat.turn.once.is_fresh);
    const auto again = parse(R"({"request_id":"2","idempotency_key":"k","message":"Hi","type":"chat"})");
    EXPECT_EQ(again.chat.turn.once.key, with_key.chat.turn.once.key);
    EXPECT_EQ(again.chat.turn.once.fingerprint, with_key.chat.turn.once.fingerprint)
        << "how the frame is named is no part of what is asked";
    const auto other = parse(R"({"type":"chat","message":"Ho","idempotency_key":"k"})");
    EXPECT_NE(other.chat.turn.once.fingerprint, with_key.chat.turn.once.fingerprint);
    EXPECT_TRUE(parse(R"({"type":"chat","message":"Hi"})").chat.turn.once.key.empty());
    EXPECT_TRUE(parse(R"({"type":"chat","message":"Hi","idempotency_key":null})").chat.turn.once.key.empty());

    http::Headers headers;
    headers.add("idempotency-key", "k");
    const auto over_http = parse_chat_request(R"({"message":"Hi"})", headers);
    ASSERT_TRUE(over_http);
    EXPECT_EQ(over_http->turn.once.key, with_key.chat.turn.once.key) << "the same over HTTP";
    EXPECT_EQ(over_http->turn.once.fingerprint, with_key.chat.turn.once.fingerprint);
}

TEST(SocketRequest, anything_else_is_refused_with_what_is_wrong) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"", ""},
        {"ping", ""},
        {"[]", "JSON object"},
        {"\"ping\"", "JSON object"},
        {"null", "JSON object"},
        {R"({"type":"ping"} {})", ""},
        {R"({"type":"ping","type":"ping"})", ""},
        {R"({})", "'type'"},
        {R"({"type":null})", "'type'"},
        {R"({"type":7})", "'type'"},
        {R"({"type":"Ping"})", "'type'"},
        {R"({"type":"ping","session_id":"s"})", "Unknown field 'session_id'"},
        {R"({"type":"ping","x":1})", "Unknown field 'x'"},
        {R"({"type":"chat"})", "message"},
        {R"({"type":"chat","message":"Hi","colour":"red"})", "colour"},
        {R"({"type":"chat","message":"Hi","turn_id":"t"})", "turn_id"},
        {R"({"type":"chat","message":"Hi","idempotency_key":""})", "Idempotency-Key"},
        {R"({"type":"chat","message":"Hi","idempotency_key":"a b"})", "Idempotency-Key"},
        {R"({"type":"chat","message":"Hi","idempotency_key":7})", "'idempotency_key'"},
        {R"({"type":"chat","message":"Hi","on_disconnect":"stay"})", "on_disconnect"},
        {R"({"type":"subscribe"})", "'session_id'"},
        {R"({"type":"subscribe","session_id":null})", "'session_id'"},
        {R"({"type":"subscribe","session_id":7})", "'session_id'"},
        {R"({"type":"subscribe","session_id":""})", "'session_id'"},
        {R"({"type":"subscribe","session_id":"a b"})", "'session_id'"},
        {R"({"type":"subscribe","session_id":"s","turn_id":"t"})", "'turn_id'"},
        {R"({"type":"subscribe","session_id":"s","last_event_id":"t"})", "'last_event_id'"},
        {R"({"type":"subscribe","session_id":"s","last_event_id":7})", "'last_event_id'"},
        {R"({"type":"unsubscribe"})", "'session_id'"},
        {R"({"type":"unsubscribe","session_id":"s","last_event_id":"t:1"})", "'last_event_id'"},
        {R"({"type":"resume","session_id":"s"})", "'turn_id'"},
        {R"({"type":"resume","turn_id":"t"})", "'session_id'"},
        {R"({"type":"resume","session_id":"s","turn_id":"t","last_event_id":"u:1"})", "'last_event_id'"},
        {R"({"type":"resume","session_id":"s","turn_id":"t","last_event_id":"t:x"})", "'last_event_id'"},
        {R"({"type":"cancel","session_id":"s"})", "'turn_id'"},
        {R"({"type":"cancel","session_id":"s","turn_id":"../x"})", "'turn_id'"},
        {R"({"type":"cancel","session_id":"s","turn_id":"t","last_event_id":"t:1"})", "'last_event_id'"},
    };
    for (const auto& [text, says] : cases) {
        std::string id;
        const auto request = parse_socket_request(text, id);
        ASSERT_FALSE(request.has_value()) << text;
        EXPECT_EQ(request.error().code, base::Errc::invalid_request) << text;
        EXPECT_FALSE(request.error().message.empty());
        EXPECT_THAT(request.error().message, HasSubstr(says)) << text;
    }
}

TEST(SocketRequest, an_error_does_not_repeat_long_names_of_the_clients) {
    std::string id;
    const auto request = parse_socket_request(R"({"type":"ping",")" + std::string(5000, 'x') + "\":1}", id);
    ASSERT_FALSE(request);
    EXPECT_LT(request.error().message.size(), 200u);
}

}  // namespace
}  // namespace tertulia::api
