// What holds of every SocketConnections.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "tertulia/base/clock.h"
#include "tertulia/sessions/socket_connections.h"

namespace tertulia::test {

using Subscriptions = std::vector<sessions::SocketSubscription>;

inline async::Task<Subscriptions> subscriptions_of(sessions::SocketConnections& all, sessions::SessionKey key) {
    auto found = (co_await all.subscriptions(std::move(key))).value();
    std::ranges::sort(found, {}, &sessions::SocketSubscription::connection_id);
    co_return found;
}

inline async::Task<void> check_subscriptions(sessions::SocketConnections& all, std::int64_t expires) {
    const sessions::SessionKey key{.owner = "local", .session_id = "s"};
    const sessions::SessionKey other{.owner = "local", .session_id = "s.2:x"};
    sessions::SocketSubscription a{.key = key, .connection_id = "a=", .address = "d x prod", .number = "m1="};
    EXPECT_FALSE((co_await all.subscribe(a)).value()) << "nothing opens a connection but its opening";
    EXPECT_TRUE(co_await all.add("a=", "local", expires));
    EXPECT_TRUE(co_await all.add("b=", "local", expires));
    EXPECT_TRUE((co_await all.subscribe(a)).value());
    sessions::SocketSubscription again = a;
    again.number = "m2=";
    EXPECT_FALSE((co_await all.subscribe(again)).value()) << "it subscribes already";
    const sessions::SocketSubscription b{.key = key,
                                         .connection_id = "b=",
                                         .address = "d x prod",
                                         .number = "m3=",
                                         .client_id = "mine",
                                         .last_turn = "t_1",
                                         .last_number = 7,
                                         .waits_until_us = expires - 1'000'000};
    EXPECT_TRUE((co_await all.subscribe(b)).value());
    again.key = other;
    EXPECT_TRUE((co_await all.subscribe(again)).value());

    Subscriptions wanted{a, b};
    for (auto& one : wanted) one.expires_us = expires;
    EXPECT_EQ(co_await subscriptions_of(all, key), wanted);
    EXPECT_EQ((co_await subscriptions_of(all, other)).size(), 1u);
    EXPECT_TRUE((co_await subscriptions_of(all, {.owner = "local", .session_id = "none"})).empty());
    EXPECT_TRUE((co_await subscriptions_of(all, {.owner = "other", .session_id = "s"})).empty());

    again.key = key;
    again.connection_id = "b=";
    EXPECT_TRUE(co_await all.stop_waiting(again));
    EXPECT_EQ(co_await subscriptions_of(all, key), wanted) << "of an earlier subscription";
    EXPECT_TRUE(co_await all.stop_waiting(b));
    wanted[1].waits_until_us = 0;
    EXPECT_EQ(co_await subscriptions_of(all, key), wanted);

    EXPECT_TRUE(co_await all.unsubscribe("a=", key));
    EXPECT_EQ(co_await subscriptions_of(all, key), Subscriptions{wanted[1]});
    EXPECT_TRUE(co_await all.unsubscribe("a=", key));
    EXPECT_TRUE(co_await all.remove("a="));
    EXPECT_TRUE(co_await all.remove("a="));
    EXPECT_TRUE((co_await subscriptions_of(all, other)).empty()) << "the connection is closed";
    EXPECT_FALSE((co_await all.subscribe(a)).value());
}

inline async::Task<void> check_claims(sessions::SocketConnections& all, std::int64_t expires) {
    sessions::SocketSubscription c{
        .key = {.owner = "local", .session_id = "c"}, .connection_id = "c=", .address = "d x prod", .number = "1"};
    EXPECT_TRUE(co_await all.add("c=", "local", expires));
    EXPECT_TRUE((co_await all.subscribe(c)).value());
    c.expires_us = expires;
    EXPECT_EQ((co_await all.claim(c, "t_1", "p")).value(), 0u);
    EXPECT_EQ((co_await all.claim(c, "t_1", "p")).value(), 0u) << "asked again";
    EXPECT_EQ((co_await all.claim(c, "t_1", "q")).value(), std::nullopt);
    EXPECT_EQ((co_await all.claim(c, "t_2", "q")).value(), 0u) << "of another turn";
    EXPECT_TRUE(co_await all.release(c, "t_1", 12));
    EXPECT_EQ((co_await all.claim(c, "t_1", "q")).value(), 12u);
    EXPECT_EQ((co_await all.claim(c, "t_1", "q")).value(), 12u) << "asked again";
    EXPECT_EQ((co_await all.claim(c, "t_1", "p")).value(), std::nullopt);
    c.number = "2";
    EXPECT_EQ((co_await all.claim(c, "t_1", "p")).value(), 0u) << "a subscription begins anew";
    EXPECT_EQ((co_await all.claim(c, "t_1", "q")).value(), std::nullopt);
    EXPECT_TRUE(co_await all.remove("c="));
}

/// `clock`: by which `all` forgets.
inline async::Task<void> check_connections(sessions::SocketConnections& all, const base::Clock& clock) {
    constexpr std::int64_t second = 1'000'000;
    const std::int64_t now = clock.wall_us() / second * second;
    co_await check_subscriptions(all, now + 7200 * second);
    co_await check_claims(all, now + 7200 * second);
    EXPECT_TRUE(co_await all.add("o=", "local", now - second));
    sessions::SocketSubscription o{
        .key = {.owner = "local", .session_id = "o"}, .connection_id = "o=", .address = "d x prod", .number = "1"};
    (void)co_await all.subscribe(o);
    EXPECT_TRUE((co_await subscriptions_of(all, o.key)).empty()) << "it was too long ago";
}

}  // namespace tertulia::test
