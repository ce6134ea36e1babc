#include "tertulia/api/direct_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

namespace tertulia::api {
namespace {

using Kind = DirectRequest::Kind;
using testing::HasSubstr;

base::Result<DirectRequest> read(std::string_view text) {
    return read_direct_request(boost::json::parse({text.data(), text.size()}).as_object());
}

std::string error(std::string_view text) {
    const auto request = read(text);
    EXPECT_FALSE(request) << text;
    if (!request) EXPECT_EQ(request.error().code, base::Errc::invalid_request);
    return request ? "" : request.error().message;
}

TEST(DirectRequest, a_turn_is_as_the_body_of_a_chat) {
    const auto request = read(R"({"kind":"chat.turn","session_id":"s","message":"Hi","model":"a/b","max_tokens":9})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->kind, Kind::chat_turn);
    EXPECT_EQ(request->chat.turn.session_id, "s");
    EXPECT_EQ(chat::text_of(request->chat.turn.content), "Hi");
    EXPECT_EQ(request->chat.turn.model, "a/b");
    EXPECT_EQ(request->chat.turn.max_tokens, 9);
    EXPECT_TRUE(request->chat.turn.once.key.empty());
    EXPECT_FALSE(read(R"({"kind":"chat.turn","message":"Hi","stream":true})")->chat.turn.stream);
}

TEST(DirectRequest, the_same_key_stands_for_the_same_body) {
    const auto a = read(R"({"kind":"chat.turn","message":"Hi","session_id":"s","idempotency_key":"k"})");
    const auto b = read(R"({"idempotency_key":"k","session_id":"s","message":"Hi","kind":"chat.turn"})");
    const auto c = read(R"({"kind":"chat.turn","message":"Ho","session_id":"s","idempotency_key":"k"})");
    EXPECT_EQ(a->chat.turn.once.key, "key k");
    EXPECT_EQ(a->chat.turn.once.fingerprint, b->chat.turn.once.fingerprint);
    EXPECT_NE(a->chat.turn.once.fingerprint, c->chat.turn.once.fingerprint);
}

TEST(DirectRequest, a_call_of_a_model) {
    const auto request = read(R"({"kind":"model.call","model":"a/b","system":"Be brief.","temperature":0.5,"messages":
        [{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"},
         {"role":"user","content":[{"type":"text","text":"And?"}]}]})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->kind, Kind::model_call);
    EXPECT_EQ(request->question.model, "a/b");
    EXPECT_EQ(request->question.system, "Be brief.");
    EXPECT_EQ(request->question.temperature, 0.5);
    EXPECT_FALSE(request->question.max_tokens);
    ASSERT_EQ(request->question.messages.size(), 3u);
    EXPECT_EQ(request->question.messages[1].role, chat::Role::assistant);
    EXPECT_EQ(chat::text_of(request->question.messages[2].content), "And?");
    EXPECT_EQ(read(R"({"kind":"model.call","messages":[{"role":"user","content":"Hi"}]})")->question.model, "");
}

TEST(DirectRequest, what_is_wrong_is_named) {
    EXPECT_THAT(error("{}"), HasSubstr("'kind'"));
    EXPECT_THAT(error(R"({"kind":7})"), HasSubstr("'kind'"));
    EXPECT_THAT(error(R"({"kind":"chat"})"), HasSubstr("chat.turn"));
    EXPECT_THAT(error(R"({"kind":"chat.turn"})"), HasSubstr("'message'"));
    EXPECT_THAT(error(R"({"kind":"chat.turn","message":"Hi","idempotency_key":7})"), HasSubstr("'idempotency_key'"));
    EXPECT_THAT(error(R"({"kind":"chat.turn","message":"Hi","mesages":1})"), HasSubstr("'mesages'"));
    EXPECT_THAT(error(R"({"kind":"model.call"})"), HasSubstr("'messages'"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[]})"), HasSubstr("1 to 1000"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":["Hi"]})"), HasSubstr("messages[0]"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"user","content":" "}]})"), HasSubstr("no text"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"user"}]})"), HasSubstr("'content'"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"system","content":"Hi"}]})"), HasSubstr("'role'"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"user","content":"Hi","name":"x"}]})"),
                HasSubstr("'name'"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"user","content":[{"type":"x"}]}]})"),
                HasSubstr("messages[0]"));
    EXPECT_THAT(error(R"({"kind":"model.call","messages":[{"role":"assistant","content":"Hi"}]})"), HasSubstr("last"));
    EXPECT_THAT(error(R"({"kind":"model.call","session_id":"s","messages":[{"role":"user","content":"Hi"}]})"),
                HasSubstr("'session_id'"));
    EXPECT_THAT(error(R"({"kind":"model.call","max_tokens":0,"messages":[{"role":"user","content":"Hi"}]})"),
                HasSubstr("'max_tokens'"));
}

}  // namespace
}  // namespace tertulia::api
