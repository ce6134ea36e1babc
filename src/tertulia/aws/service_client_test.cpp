#include "tertulia/aws/service_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/manual_clock.h"
#include "support/scripted_server.h"
#include "tertulia/async/worker.h"
#include "tertulia/aws/crc32.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using base::Errc;
using Answer = support::ScriptedServer::Answer;

std::string http_answer(int status, std::string_view body, std::string_view fields = {}) {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), fields, body);
}

Answer answer(int status, std::string_view body, std::string_view fields = {}) {
    return {{http_answer(status, body, fields)}};
}

std::string crc_field(std::string_view body) {
    return fmt::format("x-amz-crc32: {}\r\n", add_to_crc32(0, body));
}

std::string error_body(std::string_view name) {
    return fmt::format(R"({{"__type":"com.amazonaws.dynamodb.v20120810#{}","message":"told"}})", name);
}

std::string field(const std::string& request, std::string_view name) {
    const std::size_t at = request.find(fmt::format("\r\n{}: ", name));
    if (at == std::string::npos) return {};
    const std::size_t begin = at + name.size() + 4;
    return request.substr(begin, request.find("\r\n", begin) - begin);
}

/// Zeros: the waits between attempts are none.
class NoRandom final : public base::Random {
  public:
    void fill(std::span<unsigned char> bytes) override { std::ranges::fill(bytes, 0); }
};

class ServiceClientTest : public testing::Test {
  protected:
    ServiceClientTest() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        credentials_.emplace(state_, worker_.executor(), worker_.tasks(), clock_,
                             [this](std::stop_token, Deadline) -> Task<base::Result<Credentials>> {
                                 ++fetches_;
                                 if (no_credentials_) co_return base::fail(Errc::unauthenticated, "there are none");
                                 co_return Credentials{.access_key_id = fmt::format("KEY{}", fetches_),
                                                       .secret_access_key = base::Secret("s")};
                             });
        worker_.start("test");
    }
    ~ServiceClientTest() override { worker_.join(); }

    ServiceConfig config(const support::ScriptedServer& server) const {
        return {.base_url = server.url(), .region = "eu-west-1", .service = "dynamodb"};
    }

    // The answers that follow one another, each to a call of its own.
    std::vector<ServiceResult> call(const ServiceConfig& config, std::vector<ServiceRequest> requests,
                                    Deadline deadline = Deadline::after(10s), std::stop_token stop = {}) {
        std::vector<ServiceResult> results;
        worker_.run_until_done([&]() -> Task<void> {
            http::Client client(worker_.executor());
            {
                ServiceClient service(client, *credentials_, clock_, random_, config);
                for (ServiceRequest& request : requests)
                    results.push_back(co_await service.send(std::move(request), stop, deadline));
            }
            client.close_idle();
        }());
        return results;
    }
    ServiceResult call(const ServiceConfig& config, ServiceRequest request = json_request("T.Do", "{}")) {
        return call(config, std::vector{std::move(request)}).front();
    }

    test::ManualClock clock_;
    NoRandom random_;
    async::Worker worker_;
    CredentialState state_;
    std::optional<CredentialCache> credentials_;
    int fetches_ = 0;
    bool no_credentials_ = false;
};

TEST_F(ServiceClientTest, SignsAndReadsAJsonCall) {
    support::ScriptedServer server({answer(200, R"({"a":1})", crc_field(R"({"a":1})"))});
    const ServiceResult result = call(config(server), json_request("DynamoDB_20120810.Query", R"({"q":2})"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->body, R"({"a":1})");
    EXPECT_EQ(result->attempts, 1);
    const std::string& request = server.requests().at(0);
    EXPECT_TRUE(request.starts_with("POST / HTTP/1.1\r\n"));
    EXPECT_TRUE(request.ends_with("\r\n\r\n{\"q\":2}"));
    EXPECT_EQ(field(request, "Content-Type"), "application/x-amz-json-1.0");
    EXPECT_EQ(field(request, "X-Amz-Target"), "DynamoDB_20120810.Query");
    EXPECT_EQ(field(request, "X-Amz-Date"), "20241122T103000Z");
    EXPECT_TRUE(field(request, "Authorization")
                    .starts_with("AWS4-HMAC-SHA256 Credential=KEY1/20241122/eu-west-1/dynamodb/aws4_request, "
                                 "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target, "
                                 "Signature="));
}

TEST_F(ServiceClientTest, SendsAnyOtherRequestToo) {
    support::ScriptedServer server({answer(202, ""), answer(200, "pong")});
    ServiceConfig there = config(server);
    there.base_url.target = "/stage/";
    ServiceRequest invoke{.target = "/2015-03-31/functions/chat/invocations", .body = "{}"};
    invoke.headers.add("X-Amz-Invocation-Type", "Event");
    const auto results = call(there, {invoke, {.method = "GET", .target = "/%40connections/a%3D"}});
    ASSERT_TRUE(results[0] && results[1]);
    EXPECT_EQ(results[0]->status, 202);
    EXPECT_EQ(results[1]->body, "pong");
    EXPECT_TRUE(server.requests()[0].starts_with("POST /stage/2015-03-31/functions/chat/invocations HTTP/1.1\r\n"));
    EXPECT_EQ(field(server.requests()[0], "X-Amz-Invocation-Type"), "Event");
    EXPECT_TRUE(server.requests()[1].starts_with("GET /stage/%40connections/a%3D HTTP/1.1\r\n"));
    EXPECT_EQ(fetches_, 1);
}

TEST_F(ServiceClientTest, GivesTheServicesErrorWhole) {
    const std::string body = R"({"__type":"x#ConditionalCheckFailedException","Message":"no","Item":{"a":{"S":"b"}}})";
    support::ScriptedServer server({answer(400, body)});
    const ServiceResult result = call(config(server));
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().is("ConditionalCheckFailedException"));
    EXPECT_EQ(result.error().status, 400);
    EXPECT_EQ(result.error().body, body);
}

TEST_F(ServiceClientTest, AsksAgainWhatMayGoBetter) {
    struct Row {
        std::string_view what;
        Answer first;
    };
    const std::string good = R"({"ok":true})";
    const std::vector<Row> table{
        {"throttled", answer(400, error_body("ThrottlingException"))},
        {"broken", answer(500, error_body("InternalServerError"))},
        {"a gateway's page", answer(503, "<html>busy</html>")},
        {"wrong checksum", answer(200, good, "x-amz-crc32: 1\r\n")},
        {"no checksum", answer(200, good, "x-amz-crc32: none\r\n")},
        {"cut body", {{http_answer(200, good).substr(0, 45)}, true}},
        {"cut head", {{"HTTP/1.1 200"}, true}},
        {"no answer", {{}, true}},
        {"no HTTP", {{"what?\r\n\r\n"}, true}},
        {"transaction conflict",
         answer(
             400,
             R"({"__type":"x#TransactionCanceledException","CancellationReasons":[{"Code":"TransactionConflict"}]})")},
    };
    for (const Row& row : table) {
        support::ScriptedServer server({row.first, answer(200, good, crc_field(good))});
        const ServiceResult result = call(config(server));
        ASSERT_TRUE(result) << row.what << ": " << result.error().message;
        EXPECT_EQ(result->body, good) << row.what;
        EXPECT_EQ(result->attempts, 2) << row.what;
    }
}

TEST_F(ServiceClientTest, GivesUpAfterItsAttempts) {
    const Answer busy = answer(500, error_body("InternalServerError"));
    support::ScriptedServer server({busy, busy, busy});
    const ServiceResult result = call(config(server));
    ASSERT_FALSE(result);
    EXPECT_TRUE(result.error().is("InternalServerError"));
    EXPECT_EQ(result.error().errc, Errc::upstream_unavailable);
    EXPECT_EQ(server.requests().size(), 3);
}

TEST_F(ServiceClientTest, DoesNothingTwiceThatMustNotBe) {
    support::ScriptedServer server({{{http_answer(200, "whole").substr(0, 40)}, true}});
    const ServiceResult result = call(config(server), {.target = "/x", .is_repeatable = false});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errc, Errc::upstream_unavailable);
    EXPECT_EQ(server.requests().size(), 1);
}

TEST_F(ServiceClientTest, ReplacesAConnectionThatDiedInTheFreeze) {
    support::ScriptedServer server({answer(200, "1"), {{}, true}, answer(200, "2")});
    const auto results = call(config(server), {{.target = "/a"}, {.target = "/b", .is_repeatable = false}});
    ASSERT_TRUE(results[0] && results[1]);
    EXPECT_EQ(results[1]->body, "2");
    EXPECT_EQ(results[1]->attempts, 1);
}

TEST_F(ServiceClientTest, TakesFreshCredentialsOnce) {
    const Answer expired = answer(400, error_body("ExpiredTokenException"));
    support::ScriptedServer server({expired, answer(200, "{}"), expired, expired});
    const auto results = call(config(server), {json_request("T.A", "{}"), json_request("T.B", "{}")});
    ASSERT_TRUE(results[0]);
    ASSERT_FALSE(results[1]);
    EXPECT_EQ(results[1].error().errc, Errc::unauthenticated);
    std::vector<std::string> keys;
    for (const std::string& request : server.requests()) keys.push_back(field(request, "Authorization").substr(28, 4));
    EXPECT_EQ(keys, (std::vector<std::string>{"KEY1", "KEY2", "KEY2", "KEY3"}));
}

TEST_F(ServiceClientTest, CorrectsItsClockAndKeepsItSo) {
    const Answer refused =
        answer(403, error_body("InvalidSignatureException"), "Date: Fri, 22 Nov 2024 11:30:00 GMT\r\n");
    support::ScriptedServer server({refused, answer(200, "{}"), answer(200, "{}")});
    const auto results = call(config(server), {json_request("T.A", "{}"), json_request("T.B", "{}")});
    ASSERT_TRUE(results[0] && results[1]);
    EXPECT_EQ(results[0]->attempts, 2);
    EXPECT_EQ(field(server.requests()[1], "X-Amz-Date"), "20241122T113000Z");
    EXPECT_EQ(field(server.requests()[2], "X-Amz-Date"), "20241122T113000Z");
}

TEST_F(ServiceClientTest, LeavesARightClockAlone) {
    support::ScriptedServer server(
        {answer(403, error_body("InvalidSignatureException"), "Date: Fri, 22 Nov 2024 10:31:00 GMT\r\n")});
    const ServiceResult result = call(config(server));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errc, Errc::unauthenticated);
    EXPECT_EQ(server.requests().size(), 1);
}

TEST_F(ServiceClientTest, SaysWhyThereAreNoCredentials) {
    no_credentials_ = true;
    support::ScriptedServer server({});
    const ServiceResult result = call(config(server));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errc, Errc::unauthenticated);
    EXPECT_EQ(result.error().message, "without credentials: there are none");
}

TEST_F(ServiceClientTest, BeginsNoWaitThatOutlastsItsDeadline) {
    support::ScriptedServer server({answer(503, "", "x-amz-retry-after: 30000\r\n")});
    const auto begin = std::chrono::steady_clock::now();
    const auto results = call(config(server), {json_request("T.A", "{}")}, Deadline::after(2s));
    ASSERT_FALSE(results[0]);
    EXPECT_EQ(results[0].error().status, 503);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(ServiceClientTest, StopsAtOnce) {
    std::stop_source stop;
    stop.request_stop();
    support::ScriptedServer server({});
    const auto results = call(config(server), {json_request("T.A", "{}")}, Deadline::after(10s), stop.get_token());
    ASSERT_FALSE(results[0]);
    EXPECT_EQ(results[0].error().errc, Errc::unavailable);
}

TEST_F(ServiceClientTest, EndsWithAnAnswerThatIsTooLong) {
    support::ScriptedServer server({answer(200, std::string(2000, 'x'))});
    ServiceConfig small = config(server);
    small.answer_limit = 1000;
    const ServiceResult result = call(small);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errc, Errc::too_large);
}

TEST_F(ServiceClientTest, EndsAnAttemptThatIsTooSlow) {
    support::ScriptedServer server({{{"HTTP/1.1 200 X\r\n"}}});
    ServiceConfig quick = config(server);
    quick.attempt_limit = 20ms;
    quick.retry.attempts = 1;
    const ServiceResult result = call(quick);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().errc, Errc::timed_out);
}

TEST(ServiceConfig, FindsTheServicesAddress) {
    const auto url = [](const base::Environment& environment, std::string_view service, std::string region) {
        const auto config = service_config(environment, service, std::move(region));
        if (!config) return config.error().message;
        return fmt::format("{}://{}{}", config->base_url.scheme(), config->base_url.authority(),
                           config->base_url.target);
    };
    EXPECT_EQ(url({}, "dynamodb", "eu-west-1"), "https://dynamodb.eu-west-1.amazonaws.com/");
    EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "http://127.0.0.1:8000"}}, "ssm", "us-east-1"), "http://127.0.0.1:8000/");
    EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "http://a"}, {"AWS_ENDPOINT_URL_SSM", "http://b/c"}}, "ssm", "us-east-1"),
              "http://b/c");
    EXPECT_EQ(url({}, "ssm", "Mars.1"), "\"Mars.1\" is no AWS region");
    EXPECT_TRUE(url({{"AWS_ENDPOINT_URL", "ftp://a"}}, "ssm", "us-east-1").starts_with("The address of AWS's service"));
}

}  // namespace
}  // namespace tertulia::aws
