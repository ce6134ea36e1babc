// What holds of every SocketConnections.
#pragma once

#include <gtest/gtest.h>

#include <chrono>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::test {

/// `clock`: by which `all` forgets.
inline async::Task<void> check_connections(sessions::SocketConnections& all, const base::Clock& clock) {
    using sessions::SocketConnection;
    const std::int64_t later = clock.wall_us() + std::chrono::microseconds(std::chrono::hours(2)).count();
    EXPECT_FALSE((co_await all.find("a=")).value());
    EXPECT_FALSE((co_await all.subscribe("a=", "s", "1")).value());
    EXPECT_TRUE(co_await all.note_turn("a=", "s", "t_0"));
    EXPECT_FALSE((co_await all.find("a=")).value()) << "nothing makes one but its opening";
    EXPECT_TRUE(co_await all.add({.id = "a=", .owner = "local"}, later));
    EXPECT_TRUE(co_await all.note_turn("a=", "s", "t_1"));
    EXPECT_TRUE((co_await all.find("a=")).value()->own_turns.empty()) << "there is no subscription";
    EXPECT_TRUE((co_await all.subscribe("a=", "s", "1")).value());
    EXPECT_TRUE((co_await all.subscribe("a=", "s", "2")).value());
    EXPECT_TRUE((co_await all.subscribe("a=", "s.2:x", "3")).value());
    EXPECT_TRUE(co_await all.note_turn("a=", "s", "t_2"));
    EXPECT_TRUE(co_await all.note_turn("a=", "s", "t_3"));
    EXPECT_EQ(
        (co_await all.find("a=")).value(),
        (SocketConnection{
            .id = "a=", .owner = "local", .subscriptions = {{"s", "2"}, {"s.2:x", "3"}}, .own_turns = {"t_2", "t_3"}}));
    EXPECT_TRUE((co_await all.subscribe("a=", "s", "")).value());
    EXPECT_TRUE((co_await all.subscribe("a=", "s.2:x", "")).value());
    EXPECT_TRUE((co_await all.find("a=")).value()->subscriptions.empty());

    EXPECT_TRUE(co_await all.add({.id = "b=", .owner = "local"}, later));
    EXPECT_TRUE(co_await all.remove("b="));
    EXPECT_TRUE(co_await all.remove("b="));
    EXPECT_FALSE((co_await all.find("b=")).value());
    EXPECT_TRUE(co_await all.add({.id = "c=", .owner = "local"}, clock.wall_us() - 1'000'000));
    EXPECT_FALSE((co_await all.find("c=")).value()) << "it was too long ago";
}

}  // namespace tertulia::test
