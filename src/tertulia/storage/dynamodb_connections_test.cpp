// Over Amazon's own DynamoDB Local: tests/blackbox/dynamodb_local.py starts it, and says where it is.
#include "tertulia/storage/dynamodb_connections.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tertulia/async/worker.h"
#include "tertulia/storage/dynamodb_store.h"
#include "tests/support/connections_conformance.h"

namespace tertulia::storage {
namespace {

using async::Task;

TEST(DynamoConnections, know_what_is_open_and_for_what) {
    const char* address = std::getenv("TERTULIA_TEST_DYNAMODB");
    const std::string prefix = "w" + std::to_string(::getpid()) + "_";
    const auto options = dynamo_options({{"AWS_ENDPOINT_URL_DYNAMODB", address ? address : "http://127.0.0.1:1"},
                                         {"AWS_REGION", "eu-west-1"},
                                         {"CHAT_SESSIONS_TABLE_NAME", prefix + "chat_sessions"},
                                         {"CHAT_META_TABLE_NAME", prefix + "chat_meta"}});
    ASSERT_TRUE(options) << options.error().message;
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    worker.start("test");
    worker.run_until_done([](async::Worker& worker, const DynamoOptions& options) -> Task<void> {
        aws::CredentialState state;
        http::Client http(worker.executor());
        aws::CredentialCache credentials(state, worker.executor(), worker.tasks(), base::system_clock(),
                                         [](std::stop_token, base::Deadline) -> Task<base::Result<aws::Credentials>> {
                                             co_return aws::Credentials{.access_key_id = "AKIDEXAMPLE",
                                                                        .secret_access_key = base::Secret("example")};
                                         });
        aws::ServiceClient service(http, credentials, base::system_clock(), base::system_random(), options.service);
        DynamoClient client(service);
        const auto made =
            co_await create_tables(client, options.settings.tables, base::Deadline::after(std::chrono::seconds(30)));
        EXPECT_TRUE(made) << made.error().message;
        DynamoConnections connections(client, base::system_clock(), options.settings.tables.meta);
        co_await test::check_connections(connections, base::system_clock());
    }(worker, *options));
    worker.join();
}

TEST(DynamoConnections, an_item_that_somebody_else_wrote_is_none) {
    const DynamoItem item{{"pk", dynamo_text("W#local|s|x")}, {"sk", dynamo_text("a=")}, {"ttl", dynamo_number(10)}};
    EXPECT_EQ(subscription_of(item, 9'000'000)->key.session_id, "s|x");
    EXPECT_FALSE(subscription_of(item, 10'000'000));
    EXPECT_FALSE(subscription_of({}, 0));
    for (const char* pk : {"W#a=", "U#local|s", ""})
        EXPECT_FALSE(subscription_of({{"pk", dynamo_text(pk)}, {"ttl", dynamo_number(10)}}, 0)) << pk;
    EXPECT_FALSE(subscription_of({{"pk", dynamo_text("W#local|s")}, {"ttl", dynamo_text("10")}}, 0));
}

}  // namespace
}  // namespace tertulia::storage
