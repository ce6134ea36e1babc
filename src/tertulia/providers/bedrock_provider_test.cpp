#include "tertulia/providers/bedrock_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/aws_frame.h"
#include "support/manual_clock.h"
#include "support/scripted_server.h"
#include "tertulia/async/worker.h"
#include "tertulia/chat/message_builder.h"

namespace tertulia::providers {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using base::Errc;
using models::FailureKind;
using support::aws_event;
using support::ScriptedServer;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ScriptedServer::Answer reply(int status, std::string_view body, std::string_view more = "") {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n";
    text += more;
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    text += body;
    return {.pieces = {text}};
}

const std::string good = R"({"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},
    "stopReason":"end_turn","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5},"metrics":{"latencyMs":1}})";
const std::string expired = R"({"message":"The security token included in the request is expired"})";
const std::string expired_type =
    "x-amzn-errortype: ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/\r\n";

/// A worker with a client, and credentials A0, A1, ... of which each fetch gives the next (the last one stays).
class BedrockProviderTest : public testing::Test {
  protected:
    BedrockProviderTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        client_.emplace(worker_.executor());
        credentials_.emplace(state_, worker_.executor(), worker_.tasks(), clock_,
                             [this](std::stop_token, Deadline) { return fetch(); });
        worker_.start("test");
    }
    ~BedrockProviderTest() override {
        worker_.run_until_done([](BedrockProviderTest* self) -> Task<void> {
            co_await self->worker_.tasks().join(Deadline::after(10s));
            self->credentials_.reset();
            self->client_.reset();
        }(this));
        worker_.join();
    }

    Task<base::Result<aws::Credentials>> fetch() {
        const std::size_t number = std::min(fetches_++, keys_ - 1);
        if (keys_ == 0) co_return base::fail(Errc::unauthenticated, "there are none");
        co_return aws::Credentials{.access_key_id = "A" + std::to_string(number),
                                   .secret_access_key = base::Secret("SECRET"),
                                   .session_token = base::Secret("TOKEN-OF-THE-SESSION")};
    }

    struct Outcome {
        std::string text;
        std::optional<models::Failure> failure;
    };

    Outcome ask(BedrockProvider::Config config, models::ModelRequest request = {}) {
        if (request.model.empty()) request.model = "anthropic.claude-3-5-sonnet-20241022-v2:0";
        request.messages = {{chat::Role::user, {chat::Text{"Hi"}}}};
        request.max_tokens = 9;
        Outcome outcome;
        BedrockProvider provider(*client_, *credentials_, clock_, std::move(config));
        worker_.run_until_done(
            [](BedrockProvider& provider, const models::ModelRequest& request, Outcome& outcome) -> Task<void> {
                auto opened = co_await provider.open(request, {}, Deadline::after(20s));
                if (!opened) {
                    outcome.failure = opened.error();
                    co_return;
                }
                chat::AnswerEvents all, step;
                while (!all.finish) {
                    const auto next = co_await (*opened)->next(step, Deadline::after(20s));
                    if (!next) {
                        outcome.failure = next.error();
                        co_return;
                    }
                    all.append(step);
                }
                outcome.text = chat::text_of(chat::build_answer(all, provider.kind()).blocks);
            }(provider, request, outcome));
        return outcome;
    }

    static BedrockProvider::Config config(const ScriptedServer& server) {
        return {.base_url = server.url(), .region = "eu-west-1"};
    }

    test::ManualClock clock_;
    async::Worker worker_;
    std::optional<http::Client> client_;
    aws::CredentialState state_;
    std::optional<aws::CredentialCache> credentials_;
    std::size_t keys_ = 2;
    std::size_t fetches_ = 0;
};

TEST_F(BedrockProviderTest, SignsACallOfConverse) {
    ScriptedServer server({reply(200, good)});
    const Outcome outcome = ask(config(server));
    EXPECT_EQ(outcome.text, "Hello");
    EXPECT_FALSE(outcome.failure);
    const std::string& request = server.requests().at(0);
    EXPECT_THAT(request,
                StartsWith("POST /model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream HTTP/1.1"));
    EXPECT_THAT(request, HasSubstr("X-Amz-Date: 20241122T103000Z\r\n"));
    EXPECT_THAT(request, HasSubstr("X-Amz-Security-Token: TOKEN-OF-THE-SESSION\r\n"));
    EXPECT_THAT(request, HasSubstr("Authorization: AWS4-HMAC-SHA256 Credential=A0/20241122/eu-west-1/bedrock/"
                                   "aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
                                   "x-amz-security-token, Signature="));
}

TEST_F(BedrockProviderTest, AnAnswerWhoseLastFrameIsBrokenOrCutIsNone) {
    const std::string whole = aws_event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Hello"}})") +
                              aws_event("messageStop", R"({"stopReason":"end_turn"})") +
                              aws_event("metadata", R"({"usage":{"inputTokens":3,"outputTokens":2}})");
    const std::string head = "HTTP/1.1 200 X\r\nContent-Type: application/vnd.amazon.eventstream\r\nContent-Length: ";
    const auto stream = [&](const std::string& bytes) -> ScriptedServer::Answer {
        return {.pieces = {head + std::to_string(bytes.size()) + "\r\n\r\n" + bytes}};
    };
    std::string broken = whole;
    broken.back() = static_cast<char>(broken.back() ^ 1);
    ScriptedServer server({stream(whole), stream(whole + whole.substr(0, 20)), stream(whole + broken)});
    EXPECT_EQ(ask(config(server)).text, "Hello");
    for (int i = 0; i < 2; ++i) {
        const Outcome outcome = ask(config(server));
        ASSERT_TRUE(outcome.failure) << i;
        EXPECT_EQ(outcome.failure->kind, FailureKind::broken);
    }
}

TEST_F(BedrockProviderTest, ABearerTokenGoesBeforeCredentials) {
    ScriptedServer server({reply(200, good), reply(401, R"({"message":"no such key: bedrock-key-1234"})")});
    BedrockProvider::Config with_key = config(server);
    with_key.api_key = base::Secret("bedrock-key-1234");
    EXPECT_EQ(ask(with_key).text, "Hello");
    const Outcome refused = ask(with_key);
    ASSERT_TRUE(refused.failure);
    EXPECT_EQ(refused.failure->kind, FailureKind::denied);
    EXPECT_THAT(refused.failure->error.message, Not(HasSubstr("bedrock-key")));
    EXPECT_THAT(server.requests().at(0), HasSubstr("Authorization: Bearer bedrock-key-1234\r\n"));
    EXPECT_THAT(server.requests().at(0), Not(HasSubstr("X-Amz-Date")));
    EXPECT_EQ(fetches_, 0);
}

TEST_F(BedrockProviderTest, AnExpiredTokenIsFetchedAnewAndTheCallSignedOnceMore) {
    ScriptedServer server({reply(403, expired, expired_type), reply(200, good)});
    EXPECT_EQ(ask(config(server)).text, "Hello");
    EXPECT_THAT(server.requests().at(0), HasSubstr("Credential=A0/"));
    EXPECT_THAT(server.requests().at(1), HasSubstr("Credential=A1/"));
    EXPECT_EQ(fetches_, 2);
}

TEST_F(BedrockProviderTest, ATokenIsFetchedAnewOnlyOnceForACall) {
    ScriptedServer server({reply(403, expired, expired_type), reply(403, expired, expired_type)});
    const Outcome outcome = ask(config(server));
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(outcome.failure->kind, FailureKind::denied);
    EXPECT_EQ(server.requests().size(), 2);
}

TEST_F(BedrockProviderTest, TheSameTokenIsNotSentAgain) {
    keys_ = 1;
    ScriptedServer server({reply(403, expired, expired_type)});
    const Outcome outcome = ask(config(server));
    ASSERT_TRUE(outcome.failure);
    EXPECT_THAT(outcome.failure->error.message, HasSubstr("expired"));
    EXPECT_EQ(server.requests().size(), 1);
    EXPECT_EQ(fetches_, 2);
}

TEST_F(BedrockProviderTest, AWrongClockIsMendedByTheServers) {
    const std::string skewed =
        R"({"message":"Signature expired: 20241122T103000Z is now earlier than 20241122T112500Z"})";
    ScriptedServer server(
        {reply(403, skewed, "x-amzn-errortype: InvalidSignatureException\r\nDate: Fri, 22 Nov 2024 11:30:00 GMT\r\n"),
         reply(200, good)});
    EXPECT_EQ(ask(config(server)).text, "Hello");
    EXPECT_THAT(server.requests().at(0), HasSubstr("X-Amz-Date: 20241122T103000Z\r\n"));
    EXPECT_THAT(server.requests().at(1), HasSubstr("X-Amz-Date: 20241122T113000Z\r\n"));
    EXPECT_EQ(fetches_, 1);
}

TEST_F(BedrockProviderTest, AWrongSignatureAtTheRightTimeIsAFailure) {
    ScriptedServer server(
        {reply(403, R"({"message":"The request signature we calculated does not match: TOKEN-OF-THE-SESSION"})",
               "x-amzn-errortype: InvalidSignatureException\r\nDate: Fri, 22 Nov 2024 10:31:00 GMT\r\n")});
    const Outcome outcome = ask(config(server));
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(outcome.failure->kind, FailureKind::denied);
    EXPECT_THAT(outcome.failure->error.message, Not(HasSubstr("TOKEN-OF")));
}

TEST_F(BedrockProviderTest, AThrottledCallIsAFailureThatMayHeal) {
    ScriptedServer server(
        {reply(429, R"({"message":"Too many requests"})", "x-amzn-errortype: ThrottlingException\r\n")});
    const Outcome outcome = ask(config(server));
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(outcome.failure->kind, FailureKind::overloaded);
}

TEST_F(BedrockProviderTest, WithoutCredentialsNothingIsSent) {
    keys_ = 0;
    const Outcome outcome = ask({.base_url = {.host = "127.0.0.1", .port = 9}, .region = "r"});
    ASSERT_TRUE(outcome.failure);
    EXPECT_EQ(outcome.failure->kind, FailureKind::denied);
    EXPECT_EQ(outcome.failure->error.code, Errc::upstream_rejected);
    EXPECT_THAT(outcome.failure->error.message, HasSubstr("there are none"));
}

TEST_F(BedrockProviderTest, AsksInvokeModelWithAnthropicsBodies) {
    ScriptedServer server(
        {reply(200, R"({"id":"m","type":"message","role":"assistant","model":"c","stop_reason":"end_turn",
        "content":[{"type":"text","text":"Hello"}],"usage":{"input_tokens":3,"output_tokens":2}})"),
         reply(200, R"({"generation":"Hello","stop_reason":"stop"})")});
    BedrockProvider::Config invoke = config(server);
    invoke.api = BedrockProvider::Api::invoke;
    EXPECT_EQ(ask(invoke, {.stream = false}).text, "Hello");
    const Outcome foreign = ask(invoke, {.model = "meta.llama3-8b-instruct-v1:0", .stream = false});
    ASSERT_TRUE(foreign.failure);
    EXPECT_THAT(foreign.failure->error.message, HasSubstr("bedrock/"));
    EXPECT_THAT(server.requests().at(0),
                StartsWith("POST /model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/invoke HTTP/1.1"));
    EXPECT_THAT(server.requests().at(0), HasSubstr(R"("anthropic_version":"bedrock-2023-05-31")"));
}

}  // namespace
}  // namespace tertulia::providers
