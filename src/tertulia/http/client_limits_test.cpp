#include <gtest/gtest.h>

#include "tertulia/http/client.h"
#include "tertulia/http/test_client.h"

namespace tertulia::http {
namespace {

using std::chrono::milliseconds;
using namespace testing;

class HttpClientLimits : public ClientTest {};

TEST_F(HttpClientLimits, says_which_deadline_passed) {
    ScriptedServer server({[](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               socket.receive();
                           },
                           [](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               socket.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
                               socket.receive();
                           }});
    run([&](Client& client) -> Task<void> {
        const auto begin = std::chrono::steady_clock::now();
        const Whole silent = co_await ask(client, request(server, ""), Deadline::after(milliseconds(30)));
        EXPECT_EQ(silent.error, Errc::timed_out);
        EXPECT_NE(silent.message.find("no byte of an answer"), std::string::npos) << silent.message;
        EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(30));

        const Whole stalled = co_await ask(client, request(server, ""), Deadline::after(milliseconds(50)));
        EXPECT_EQ(stalled.body, "short");
        EXPECT_EQ(stalled.error, Errc::timed_out);
    });
    // A full backlog does not answer: connecting takes until its own limit.
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(listener, 0), 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    const BlockingSocket fills_it = BlockingSocket::connect(ntohs(address.sin_port));
    run([&](Client& client) -> Task<void> {
        ClientRequest asked;
        asked.url = {.host = "127.0.0.1", .port = ntohs(address.sin_port)};
        asked.connect_limit = milliseconds(30);
        const Whole whole = co_await ask(client, asked);
        EXPECT_EQ(whole.error, Errc::timed_out);
        EXPECT_NE(whole.message.find("connected to"), std::string::npos) << whole.message;
    });
    ::close(listener);
}

TEST_F(HttpClientLimits, stops_at_once_whatever_it_waits_for) {
    std::stop_source first, second;
    ScriptedServer server({[&](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               first.request_stop();
                               EXPECT_EQ(socket.receive(), "") << "the connection is closed";
                           },
                           [&](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               socket.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort");
                               EXPECT_EQ(socket.receive(), "");
                           }});
    run([&](Client& client) -> Task<void> {
        const Whole waiting = co_await ask(client, request(server, ""), in_time(), first.get_token());
        EXPECT_EQ(waiting.error, Errc::unavailable);
        EXPECT_EQ(waiting.message, "stopped");

        auto response = co_await client.send(request(server, ""), second.get_token(), in_time());
        EXPECT_TRUE(response);
        if (!response) co_return;
        EXPECT_EQ(*co_await (*response)->read(in_time()), "short");
        std::thread([&] { second.request_stop(); }).join();
        const auto stopped = co_await (*response)->read(in_time());
        EXPECT_FALSE(stopped);
        EXPECT_EQ(stopped.error().message, "stopped");

        const Whole never = co_await ask(client, request(server, ""), in_time(), second.get_token());
        EXPECT_EQ(never.message, "stopped");
    });
}

TEST_F(HttpClientLimits, waits_for_a_connection_where_the_limit_is_reached) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedServer server({[&](BlockingSocket& socket) {
        for (int i = 0; i < 2; ++i) {
            socket.receive_until("\r\n\r\n");
            socket.send(ok);
        }
    }});
    run(
        [&](Client& client) -> Task<void> {
            auto held = co_await client.send(request(server, ""), {}, in_time());
            EXPECT_TRUE(held);
            const Whole crowded = co_await ask(client, request(server, ""), Deadline::after(milliseconds(20)));
            EXPECT_EQ(crowded.error, Errc::timed_out);
            EXPECT_TRUE((co_await read_all(**held, in_time())).ok);
            EXPECT_TRUE((co_await ask(client, request(server, ""))).ok) << "the same connection, free again";
        },
        ClientOptions{.connections_per_host = 1});
}

TEST_F(HttpClientLimits, does_not_keep_a_connection_beyond_its_idle_limit) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedServer server({[&](BlockingSocket& socket) {
        socket.receive_until("\r\n\r\n");
        socket.send(ok);
        EXPECT_EQ(socket.receive(), "") << "closed by the client";
    }});
    run(
        [&](Client& client) -> Task<void> {
            EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
            EXPECT_EQ(client.idle_connections(), 1u);
            const auto nobody = async::Waiter::make(co_await async::this_executor);
            const Deadline patience = in_time();
            while (client.idle_connections() > 0 && !patience.passed(std::chrono::steady_clock::now()))
                co_await nobody->wait(Deadline::after(milliseconds(5)));
            EXPECT_EQ(client.idle_connections(), 0u);
        },
        ClientOptions{.idle_limit = milliseconds(20)});
}

}  // namespace
}  // namespace tertulia::http
