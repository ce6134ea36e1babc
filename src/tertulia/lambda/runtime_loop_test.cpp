#include "tertulia/lambda/runtime_loop.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/scripted_server.h"
#include "support/test_service.h"
#include "tertulia/storage/memory_connections.h"

namespace tertulia::lambda {
namespace {

using namespace std::chrono_literals;
using async::Task;
using support::ScriptedServer;

/// Each look at the time of day finds it later by the next of these.
class ClockOfLooks final : public base::Clock {
  public:
    explicit ClockOfLooks(std::vector<std::chrono::milliseconds> steps) : steps_(std::move(steps)) {}
    base::SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
    std::int64_t wall_us() const override {
        wall_ += std::chrono::microseconds(looks_ < steps_.size() ? steps_[looks_] : 0ms);
        ++looks_;
        return wall_.count();
    }

  private:
    const std::vector<std::chrono::milliseconds> steps_;
    mutable std::size_t looks_ = 0;
    mutable std::chrono::microseconds wall_{1'732'271'400'000'000};
};

/// A Runtime API with so many events.
std::vector<ScriptedServer::Answer> events(std::size_t count) {
    constexpr std::string_view event = R"({"kind":"chat.turn"})";
    std::vector<ScriptedServer::Answer> answers;
    for (std::size_t i = 0; i < count; ++i) {
        answers.push_back({.pieces = {fmt::format(
                               "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: i{}\r\nContent-Length: {}\r\n\r\n{}",
                               i, event.size(), event)}});
        answers.push_back({.pieces = {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"}});
    }
    return answers;
}

// Lambda freezes a sandbox between two invocations; what it was connected to does not wait for it.
TEST(RuntimeLoop, connections_count_as_dead_before_an_event_that_came_after_a_long_pause) {
    // Between one answer and the next event. The first wait is that of a sandbox that was made beforehand.
    const std::vector<std::chrono::milliseconds> pauses = {1h, 1ms, 10'000ms, 10'001ms, 0ms, 15min, -1h, 24h};
    std::vector<std::chrono::milliseconds> steps;
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < pauses.size(); ++i) {
        steps.insert(steps.end(), {5min, pauses[i]});  // answering takes time, which is no pause
        if (pauses[i] > 10s) expected.emplace_back("thaw");
        expected.push_back(fmt::format("i{}", i));
    }
    const ClockOfLooks clock(steps);

    ScriptedServer api(events(pauses.size()));
    test::TestService world;
    storage::MemoryConnections connections(base::system_clock());
    aws::CredentialState no_credentials;
    const base::Environment environment;
    std::optional<http::Client> client(world.worker.executor());
    aws::CredentialCache credentials(no_credentials, world.worker.executor(), world.worker.tasks(),
                                     base::system_clock(),
                                     [](std::stop_token, base::Deadline) -> Task<base::Result<aws::Credentials>> {
                                         co_return base::fail(base::Errc::unavailable, "none here");
                                     });
    auto runtime = RuntimeClient::make(*client, base::system_clock(), api.url().authority());
    ASSERT_TRUE(runtime);
    TurnBroadcast broadcast({.sessions = world.service,
                             .connections = connections,
                             .gateway = {.client = *client,
                                         .credentials = credentials,
                                         .environment = environment,
                                         .clock = base::system_clock(),
                                         .random = base::system_random(),
                                         .region = "eu-west-1"},
                             .tasks = world.worker.tasks(),
                             .executor = world.worker.executor(),
                             .clock = base::system_clock(),
                             .log = world.log},
                            {});
    const http::Router router;
    const http::ServerOptions options{};
    HttpFront http({.runtime = *runtime,
                    .router = router,
                    .options = options,
                    .registry = world.registry,
                    .broadcast = broadcast,
                    .tasks = world.worker.tasks(),
                    .executor = world.worker.executor(),
                    .clock = base::system_clock(),
                    .log = world.log},
                   {});
    std::vector<std::string> happened;
    std::stop_source stop;
    RuntimeLoop loop({.runtime = *runtime,
                      .http = http,
                      .tasks = world.worker.tasks(),
                      .executor = world.worker.executor(),
                      .clock = clock,
                      .log = world.log,
                      .on_thaw = [&] { happened.emplace_back("thaw"); }},
                     {.direct = [&](const Invocation& invocation, const boost::json::object&) -> Task<Outcome> {
                         happened.push_back(invocation.id);
                         if (invocation.id == fmt::format("i{}", pauses.size() - 1)) stop.request_stop();
                         co_return "{}";
                     }});
    world.run([&]() -> Task<void> {
        EXPECT_TRUE(co_await loop.run(1, stop.get_token()));
        client.reset();
    });
    EXPECT_EQ(happened, expected);
}

}  // namespace
}  // namespace tertulia::lambda
