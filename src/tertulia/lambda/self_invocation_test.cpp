#include "tertulia/lambda/self_invocation.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "tertulia/base/json.h"

namespace tertulia::lambda {
namespace {

using Kind = SelfInvocation::Kind;

const SocketClient client{.connection_id = "R1=", .stage = {.domain = "a.example", .api_id = "abc", .stage = "prod"}};

base::Result<SelfInvocation> read(std::string_view text) {
    const auto value = base::parse_json(text);
    EXPECT_TRUE(value) << text;
    return read_self_invocation(value->as_object());
}

TEST(SelfInvocation, a_clients_message_comes_back_as_it_was) {
    const SelfInvocation sent{.kind = Kind::socket,
                              .client = client,
                              .message_id = "m=",
                              .message = "{\"type\":\"chat\",\"message\":\"é\\n\"}"};
    const auto back = read(write_self_invocation(sent));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->kind, Kind::socket);
    EXPECT_EQ(back->client, client);
    EXPECT_EQ(back->message_id, "m=");
    EXPECT_EQ(back->message, sent.message);
}

TEST(SelfInvocation, and_so_does_a_turn) {
    SelfInvocation sent{.kind = Kind::turn,
                        .turn = {.key = {.owner = "local", .session_id = "s"}, .turn_id = "t_1"},
                        .how = R"({"max_tokens":9})"};
    auto back = read(write_self_invocation(sent));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->kind, Kind::turn);
    EXPECT_FALSE(back->client);
    EXPECT_EQ(back->turn.key.owner, "local");
    EXPECT_EQ(back->turn.key.session_id, "s");
    EXPECT_EQ(back->turn.turn_id, "t_1");
    EXPECT_EQ(back->how, R"({"max_tokens":9})");
    sent.client = client;
    sent.client_id = "mine";
    sent.after = 17;
    back = read(write_self_invocation(sent));
    EXPECT_EQ(back->client, client);
    EXPECT_EQ(back->client_id, "mine");
    EXPECT_EQ(back->after, 17u);
}

TEST(SelfInvocation, what_we_did_not_write_is_refused) {
    EXPECT_TRUE(is_self_invocation("tertulia.socket"));
    EXPECT_TRUE(is_self_invocation("tertulia.turn"));
    EXPECT_FALSE(is_self_invocation("chat.turn"));
    for (const char* wrong :
         {"{}", R"({"kind":"chat.turn"})", R"({"kind":"tertulia.socket"})",
          R"({"kind":"tertulia.socket","client":{"connection_id":""},"message":"x"})",
          R"({"kind":"tertulia.socket","client":{"connection_id":"a"}})", R"({"kind":"tertulia.socket","message":"x"})",
          R"({"kind":"tertulia.turn","session_id":"s","turn_id":"t"})",
          R"({"kind":"tertulia.turn","owner":"local","session_id":"../s","turn_id":"t"})",
          R"({"kind":"tertulia.turn","owner":"local","session_id":"s","turn_id":7})"})
        EXPECT_FALSE(read(wrong)) << wrong;
}

TEST(SelfInvocation, of_a_request_goes_how_it_is_to_be_answered) {
    EXPECT_EQ(how_to_answer(R"({"message":"hush","session_id":"s","model":"a/b","max_tokens":9,"temperature":0.5,
        "stop":["x"],"tools":[{"name":"f"}],"tool_choice":"auto","stream":true})"),
              R"({"tools":[{"name":"f"}],"tool_choice":"auto","max_tokens":9,"temperature":5E-1,"stop":["x"]})");
    EXPECT_EQ(how_to_answer(""), "{}");
    EXPECT_EQ(how_to_answer("[]"), "{}");
}

}  // namespace
}  // namespace tertulia::lambda
