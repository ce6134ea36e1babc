#include "tertulia/storage/memory_connections.h"

#include <gtest/gtest.h>

#include "tertulia/async/worker.h"
#include "tests/support/manual_clock.h"

namespace tertulia::storage {
namespace {

using async::Task;
using namespace std::chrono_literals;

TEST(MemoryConnections, know_what_is_open_and_for_what) {
    test::ManualClock clock;
    MemoryConnections connections(clock);
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    worker.start("test");
    worker.run_until_done([](test::ManualClock& clock, MemoryConnections& all) -> Task<void> {
        const std::int64_t later = clock.wall_us() + std::chrono::microseconds(2h).count();
        EXPECT_FALSE((co_await all.find("a")).value());
        EXPECT_FALSE((co_await all.subscribe("a", "s", "1")).value());
        EXPECT_TRUE(co_await all.add({.id = "a", .owner = "local"}, later));
        EXPECT_TRUE(co_await all.note_turn("a", "s", "t_1"));
        EXPECT_TRUE((co_await all.find("a")).value()->own_turns.empty()) << "there is no subscription";
        EXPECT_TRUE((co_await all.subscribe("a", "s", "1")).value());
        EXPECT_TRUE((co_await all.subscribe("a", "s", "2")).value());
        EXPECT_TRUE(co_await all.note_turn("a", "s", "t_2"));
        EXPECT_EQ((co_await all.find("a")).value(),
                  (sessions::SocketConnection{
                      .id = "a", .owner = "local", .subscriptions = {{"s", "2"}}, .own_turns = {"t_2"}}));
        EXPECT_TRUE((co_await all.subscribe("a", "s", "")).value());
        EXPECT_TRUE((co_await all.find("a")).value()->subscriptions.empty());

        EXPECT_TRUE(co_await all.add({.id = "b", .owner = "local"}, later));
        EXPECT_TRUE(co_await all.remove("b"));
        EXPECT_TRUE(co_await all.remove("b"));
        EXPECT_FALSE((co_await all.find("b")).value());
        clock.advance(2h);
        EXPECT_FALSE((co_await all.find("a")).value());
    }(clock, connections));
    worker.join();
}

}  // namespace
}  // namespace tertulia::storage
