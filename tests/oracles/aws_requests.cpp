// Makes our calls of Lambda, @connections, Secrets Manager and SSM once each, at the server whose address is given,
// with the credentials of the environment; prints the name of each.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tertulia/async/worker.h"
#include "tertulia/aws/credential_cache.h"
#include "tertulia/aws/gateway_connections.h"
#include "tertulia/aws/lambda_invoker.h"
#include "tertulia/aws/secret_reference.h"
#include "tertulia/aws/service_client.h"

namespace {

using namespace tertulia;
using base::Deadline;

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

async::Task<base::Result<aws::Credentials>> credentials(std::stop_token, Deadline) {
    co_return aws::Credentials{.access_key_id = variable("AWS_ACCESS_KEY_ID"),
                               .secret_access_key = base::Secret(variable("AWS_SECRET_ACCESS_KEY")),
                               .session_token = base::Secret(variable("AWS_SESSION_TOKEN"))};
}

async::Task<void> call_all(async::Worker& worker, std::string address, std::string region) {
    http::Client http(worker.executor());
    aws::CredentialState state;
    aws::CredentialCache cache(state, worker.executor(), worker.tasks(), base::system_clock(), credentials);
    const base::Environment environment{{"AWS_ENDPOINT_URL", address}};
    const auto client = [&](std::string_view service, http::Url url) {
        return aws::ServiceClient(
            http, cache, base::system_clock(), base::system_random(),
            {.base_url = std::move(url), .region = region, .service = std::string(service), .retry = {.attempts = 1}});
    };
    const http::Url plain = *http::parse_url(address);
    const Deadline soon = Deadline::after(std::chrono::seconds(30));

    auto lambda = client("lambda", plain);
    (void)co_await aws::LambdaInvoker(lambda).invoke("arn:aws:lambda:eu-central-1:123456789012:function:chat:live",
                                                     R"({"kind":"tertulia.socket"})", {}, {}, soon);
    std::puts("invoke");
    const aws::GatewayStage stage{
        .domain = "abc.execute-api.eu-central-1.amazonaws.com", .api_id = "abc", .stage = "prod"};
    auto gateway = client("execute-api", *aws::connections_url(environment, stage, region));
    aws::GatewayConnections connections(gateway);
    (void)co_await connections.post("R1kmxc2VNjMCFIA=", R"({"type":"pong"})", {}, soon);
    std::puts("post");
    (void)co_await connections.remove("R1kmxc2VNjMCFIA=", {}, soon);
    std::puts("delete");
    for (const char* text : {"secret:prod/keys", "parameter:/prod/key"}) {
        const aws::SecretReference reference = *aws::parse_secret_reference(text);
        auto secrets = client(aws::service_of(reference), plain);
        (void)co_await secrets.send(aws::secret_request(reference), {}, soon);
        std::puts(reference.kind == aws::SecretReference::Kind::secret ? "secret" : "parameter");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    async::Worker worker([](const std::string& what) { std::fprintf(stderr, "a bug: %s\n", what.c_str()); });
    worker.start("calls");
    worker.run_until_done(call_all(worker, argv[1], argv[2]));
    worker.join();
    return 0;
}
