#include "tertulia/aws/gateway_connections.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"
#include "support/scripted_server.h"
#include "tertulia/async/worker.h"
#include "tertulia/aws/lambda_invoker.h"

namespace tertulia::aws {
namespace {

using namespace std::chrono_literals;
using async::Task;
using base::Deadline;
using support::ScriptedServer;

const GatewayStage prod{.domain = "abc123.execute-api.eu-west-1.amazonaws.com", .api_id = "abc123", .stage = "prod"};

std::string url(const base::Environment& environment, const GatewayStage& stage = prod) {
    const auto found = connections_url(environment, stage, "eu-west-1");
    return found ? std::string(found->scheme()) + "://" + found->authority() + found->target
                 : "error: " + found.error().message;
}

TEST(GatewayConnections, the_address_is_the_stages) {
    EXPECT_EQ(url({}), "https://abc123.execute-api.eu-west-1.amazonaws.com/prod");
    EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "http://localhost:4566/"}}), "http://localhost:4566/prod");
    EXPECT_EQ(url({{"AWS_ENDPOINT_URL", "http://localhost:4566"},
                   {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://{api}.localhost:4567/x/{stage}/"}}),
              "http://abc123.localhost:4567/x/prod");
    EXPECT_EQ(url({{"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://localhost:4567/fixed"}}),
              "http://localhost:4567/fixed");
}

TEST(GatewayConnections, a_domain_of_the_owners_own_stands_for_the_apis) {
    GatewayStage own = prod;
    own.domain = "chat.example.com";
    EXPECT_EQ(url({}, own), "https://abc123.execute-api.eu-west-1.amazonaws.com/prod");
    EXPECT_EQ(connections_url({}, own, "cn-north-1")->host, "abc123.execute-api.cn-north-1.amazonaws.com.cn");
}

TEST(GatewayConnections, nothing_is_signed_for_a_place_that_is_no_stage) {
    for (const GatewayStage& wrong : {GatewayStage{}, GatewayStage{.domain = "a.b/c", .api_id = "abc", .stage = "prod"},
                                      GatewayStage{.domain = "a.b", .api_id = "a/b", .stage = "prod"},
                                      GatewayStage{.domain = "a.b", .api_id = "abc", .stage = "../x"},
                                      GatewayStage{.domain = "a.b@evil.example", .api_id = "abc", .stage = "x"}})
        EXPECT_FALSE(connections_url({}, wrong, "eu-west-1")) << wrong.domain << " " << wrong.stage;
}

TEST(GatewayConnections, an_id_is_encoded) {
    EXPECT_EQ(connection_target("R1kmxc2VNjMCFIA="), "/@connections/R1kmxc2VNjMCFIA%3D");
    EXPECT_EQ(connection_target("a/b+c"), "/@connections/a%2Fb%2Bc");
}

TEST(LambdaInvoker, the_request) {
    const ServiceRequest request = invoke_request("arn:aws:lambda:eu-west-1:1:function:chat:live", "{}");
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target,
              "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A1%3Afunction%3Achat%3Alive/invocations");
    EXPECT_EQ(request.headers.get("X-Amz-Invocation-Type"), "Event");
    EXPECT_EQ(request.headers.find("X-Amzn-Trace-Id"), nullptr);
    EXPECT_EQ(invoke_request("chat", "{}", "Root=1-5759").headers.get("X-Amzn-Trace-Id"), "Root=1-5759");
}

/// Both clients over one server with its answers written down.
class OverTheWireTest : public testing::Test {
  protected:
    void run(std::vector<ScriptedServer::Answer> answers,
             const std::function<Task<void>(ServiceClient& client)>& test) {
        ScriptedServer server(std::move(answers));
        test::ManualClock clock;
        CredentialState state;
        async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
        std::optional<http::Client> http(worker.executor());
        CredentialCache credentials(state, worker.executor(), worker.tasks(), clock,
                                    [](std::stop_token, Deadline) -> Task<base::Result<Credentials>> {
                                        co_return Credentials{.access_key_id = "AKID",
                                                              .secret_access_key = base::Secret("hush")};
                                    });
        ServiceClient client(*http, credentials, clock, base::system_random(),
                             {.base_url = server.url("/prod"),
                              .region = "eu-west-1",
                              .service = "execute-api",
                              .retry = {.base = 1ms, .throttled_base = 1ms}});
        worker.start("test");
        worker.run_until_done(test(client));
        worker.run_until_done([](std::optional<http::Client>& http) -> Task<void> {
            http.reset();
            co_return;
        }(http));
        worker.join();
        requests_ = server.requests();
    }

    static ScriptedServer::Answer answer(std::string status, std::string body = {}) {
        return {.pieces = {"HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" +
                           body}};
    }

    std::vector<std::string> requests_;
};

TEST_F(OverTheWireTest, a_throttled_message_is_sent_again) {
    run({answer("429 Too Many Requests", R"({"message":"Limit Exceeded"})"), answer("200 OK")},
        [](ServiceClient& client) -> Task<void> {
            GatewayConnections connections(client);
            EXPECT_TRUE(co_await connections.post("a=", "hello", {}, Deadline::after(30s)));
        });
    ASSERT_EQ(requests_.size(), 2u);
    for (const std::string& request : requests_) {
        EXPECT_TRUE(request.starts_with("POST /prod/@connections/a%3D HTTP/1.1\r\n")) << request;
        EXPECT_TRUE(request.ends_with("\r\n\r\nhello")) << request;
    }
}

TEST_F(OverTheWireTest, who_has_left_is_told_apart) {
    run({answer("410 Gone"), answer("410 Gone"), answer("403 Forbidden", R"({"message":"no"})")},
        [](ServiceClient& client) -> Task<void> {
            GatewayConnections connections(client);
            const auto gone = co_await connections.post("a", "hello", {}, Deadline::after(30s));
            EXPECT_TRUE(!gone && GatewayConnections::is_gone(gone.error()));
            EXPECT_TRUE(co_await connections.remove("a", {}, Deadline::after(30s))) << "it is what was wanted";
            const auto forbidden = co_await connections.remove("a", {}, Deadline::after(30s));
            EXPECT_TRUE(!forbidden && !GatewayConnections::is_gone(forbidden.error()));
        });
    EXPECT_TRUE(requests_.at(1).starts_with("DELETE /prod/@connections/a HTTP/1.1\r\n"));
}

TEST_F(OverTheWireTest, an_invocation_is_taken_or_not) {
    run({answer("202 Accepted"), answer("404 Not Found", R"({"Type":"User","Message":"Function not found"})")},
        [](ServiceClient& client) -> Task<void> {
            LambdaInvoker lambda(client);
            EXPECT_TRUE(co_await lambda.invoke("chat", R"({"kind":"x"})", {}, {}, Deadline::after(30s)));
            const auto none = co_await lambda.invoke("no", "{}", {}, {}, Deadline::after(30s));
            EXPECT_TRUE(!none && none.error().status == 404);
        });
    EXPECT_TRUE(requests_.at(0).starts_with("POST /prod/2015-03-31/functions/chat/invocations HTTP/1.1\r\n"));
    EXPECT_NE(requests_.at(0).find("X-Amz-Invocation-Type: Event\r\n"), std::string::npos);
}

}  // namespace
}  // namespace tertulia::aws
