#include "tertulia/http/client_pool.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace tertulia::http {
namespace {

using namespace std::chrono_literals;

constexpr const char* host = "h";

// Whoever is frozen sees no time pass on the clock that deadlines go by; the server at the other end does.
TEST(ClientPool, a_connection_that_aged_while_the_machine_stood_still_is_not_used_again) {
    const test::ManualClock wall;
    const base::SteadyTime now = std::chrono::steady_clock::now();
    for (const auto& [steady, by_wall] : {std::pair<std::chrono::seconds, std::chrono::seconds>{1s, 61s}, {61s, 1s}}) {
        ClientPool pool(4, 60s);
        ASSERT_TRUE(pool.open_one(host));
        pool.give_back(host, nullptr, now, wall.wall_us());
        ASSERT_EQ(pool.idle(), 1u);
        EXPECT_EQ(pool.take_idle(host, now + steady, wall.wall_us() + std::chrono::microseconds(by_wall).count()),
                  nullptr);
        EXPECT_EQ(pool.idle(), 0u);
        for (int i = 0; i < 4; ++i) EXPECT_TRUE(pool.open_one(host)) << "and it counts no more";
        EXPECT_FALSE(pool.open_one(host));
    }
}

}  // namespace
}  // namespace tertulia::http
