#include "tertulia/http/client.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "tertulia/async/worker.h"
#include "tertulia/http/test_sockets.h"

namespace tertulia::http {
namespace {

using async::Task;
using base::Deadline;
using base::Errc;
using std::chrono::milliseconds;
using testing::BlockingSocket;
using testing::ScriptedServer;

const Deadline in_time() {
    return Deadline::after(std::chrono::seconds(testing::patience_seconds));
}

// Runs one coroutine on a worker of its own, with a client that lives there.
class HttpClient : public ::testing::Test {
  protected:
    HttpClient() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("client test"); }

    template <class Body>
    void run(Body body, ClientOptions options = {}) {
        auto whole = [&]() -> Task<void> {
            Client client(worker_.executor(), options);
            co_await body(client);
        };
        worker_.run_until_done(whole());
    }

    static ClientRequest request(const ScriptedServer& server, std::string body = "{}") {
        ClientRequest made;
        made.url = {.host = "127.0.0.1", .port = server.port(), .target = "/v1/x?y=z"};
        made.body = std::move(body);
        return made;
    }

    async::Worker worker_;
};

struct Whole {
    int status = 0;
    std::string body;
    Errc error{};
    std::string message;
    bool ok = false;
};

Task<Whole> read_all(ClientResponse& response, Deadline deadline) {
    Whole whole{.status = response.status};
    for (;;) {
        const auto bytes = co_await response.read(deadline);
        if (!bytes) {
            whole.error = bytes.error().code;
            whole.message = bytes.error().message;
            co_return whole;
        }
        if (bytes->empty()) break;
        whole.body += *bytes;
    }
    whole.ok = response.is_complete();
    co_return whole;
}

Task<Whole> ask(Client& client, ClientRequest request, Deadline deadline = in_time(), std::stop_token stop = {}) {
    auto response = co_await client.send(std::move(request), stop, deadline);
    if (!response) co_return Whole{.error = response.error().code, .message = response.error().message};
    co_return co_await read_all(**response, deadline);
}

ScriptedServer::Script answer(std::string bytes) {
    return [bytes](BlockingSocket& socket) {
        socket.receive_until("\r\n\r\n");
        socket.send(bytes);
    };
}

TEST_F(HttpClient, sends_head_and_body_and_reads_the_answer) {
    std::string got;
    ScriptedServer server({[&](BlockingSocket& socket) {
        got = socket.receive_until("hello");
        socket.send("HTTP/1.1 201 Created\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok");
    }});
    run([&](Client& client) -> Task<void> {
        ClientRequest asked = request(server, "hello");
        asked.headers.add("X-Key", "secret");
        auto response = co_await client.send(asked, {}, in_time());
        EXPECT_TRUE(response);
        if (!response) co_return;
        EXPECT_EQ((*response)->status, 201);
        EXPECT_EQ((*response)->headers.get("x-a"), "b");
        EXPECT_EQ((co_await read_all(**response, in_time())).body, "ok");
        EXPECT_TRUE((*response)->is_complete());
        EXPECT_EQ(client.idle_connections(), 1u);
    });
    EXPECT_EQ(got, "POST /v1/x?y=z HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                       "\r\nX-Key: secret\r\nContent-Length: 5\r\n\r\nhello");
}

TEST_F(HttpClient, takes_an_answer_that_is_cut_anywhere) {
    const std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    std::vector<ScriptedServer::Script> scripts;
    scripts.push_back([&](BlockingSocket& socket) {
        for (std::size_t i = 0; i < text.size(); ++i) {
            socket.receive_until("\r\n\r\n");
            socket.send(std::string_view(text).substr(0, i));
            if (i > 0) ::usleep(1000);  // so that it comes apart, as a rule
            socket.send(std::string_view(text).substr(i));
        }
    });
    ScriptedServer server(std::move(scripts));
    run([&](Client& client) -> Task<void> {
        for (std::size_t i = 0; i < text.size(); ++i) {
            const Whole whole = co_await ask(client, request(server, ""));
            EXPECT_TRUE(whole.ok) << i << whole.message;
            EXPECT_EQ(whole.body, "abcdefg") << i;
        }
    });
}

TEST_F(HttpClient, keeps_a_connection_only_after_the_answer_was_read_to_its_end) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedServer server({[&](BlockingSocket& socket) {
                               for (int i = 0; i < 2; ++i) {
                                   socket.receive_until("\r\n\r\n");
                                   socket.send(ok);
                               }
                               socket.receive_until("\r\n\r\n");
                               socket.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok");
                               EXPECT_EQ(socket.receive(), "") << "an answer that is given up closes its connection";
                           },
                           answer(ok)});
    run([&](Client& client) -> Task<void> {
        EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
        EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
        {
            auto response = co_await client.send(request(server, ""), {}, in_time());
            EXPECT_TRUE(response);
        }
        EXPECT_EQ(client.idle_connections(), 0u);
        EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
    });
}

TEST_F(HttpClient, asks_once_more_on_a_fresh_connection_where_the_kept_one_was_stale) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    // The first connection is closed only when the second request has come, so that it looks good until then.
    ScriptedServer server({[&](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               socket.send(ok);
                               socket.receive_until("\r\n\r\n");
                           },
                           answer(ok)});
    run([&](Client& client) -> Task<void> {
        EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
        const Whole second = co_await ask(client, request(server, ""));
        EXPECT_TRUE(second.ok) << second.message;
    });
}

TEST_F(HttpClient, does_not_ask_again_where_a_fresh_connection_is_closed_or_an_answer_has_begun) {
    const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    ScriptedServer server({[](BlockingSocket& socket) { socket.receive_until("\r\n\r\n"); },
                           [&](BlockingSocket& socket) {
                               socket.receive_until("\r\n\r\n");
                               socket.send(ok);
                               socket.receive_until("\r\n\r\n");
                               socket.send("H");
                           },
                           [](BlockingSocket&) { ADD_FAILURE() << "asked again"; }});
    run([&](Client& client) -> Task<void> {
        const Whole fresh = co_await ask(client, request(server, ""));
        EXPECT_FALSE(fresh.ok);
        EXPECT_EQ(fresh.error, Errc::upstream_unavailable);
        EXPECT_TRUE((co_await ask(client, request(server, ""))).ok);
        const Whole begun = co_await ask(client, request(server, ""));
        EXPECT_FALSE(begun.ok);
        EXPECT_EQ(begun.error, Errc::upstream_unavailable);
    });
}

TEST_F(HttpClient, never_takes_a_cut_body_for_a_whole_one) {
    ScriptedServer server({answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
                           answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
                           answer("HTTP/1.1 200 OK\r\n\r\nuntil the end")});
    run([&](Client& client) -> Task<void> {
        for (int i = 0; i < 2; ++i) {
            const Whole cut = co_await ask(client, request(server, ""));
            EXPECT_FALSE(cut.ok);
            EXPECT_EQ(cut.body, "short");
            EXPECT_EQ(cut.error, Errc::upstream_unavailable);
        }
        const Whole whole = co_await ask(client, request(server, ""));
        EXPECT_TRUE(whole.ok) << whole.message;
        EXPECT_EQ(whole.body, "until the end");
    });
}

std::string gzip(std::string_view text) {
    z_stream z{};
    deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string out(text.size() + 1000, '\0');
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    z.avail_in = static_cast<uInt>(text.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    return out;
}

TEST_F(HttpClient, decodes_gzip_where_it_really_is_gzip) {
    const std::string large(3'000'000, 'x');
    const auto encoded = [](const std::string& body) {
        return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body;
    };
    ScriptedServer server({answer(encoded(gzip("hello"))), answer(encoded("{\"plain\":1}")),
                           answer(encoded(gzip(large))), answer(encoded(gzip("hello").substr(0, 15)))});
    run([&](Client& client) -> Task<void> {
        EXPECT_EQ((co_await ask(client, request(server, ""))).body, "hello");
        client.close_idle();
        EXPECT_EQ((co_await ask(client, request(server, ""))).body, "{\"plain\":1}");
        client.close_idle();
        const Whole whole = co_await ask(client, request(server, ""));
        EXPECT_TRUE(whole.ok) << whole.message;
        EXPECT_TRUE(whole.body == large);
        client.close_idle();
        EXPECT_FALSE((co_await ask(client, request(server, ""))).ok);
    });
}

TEST_F(HttpClient, says_which_deadline_passed) {
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

TEST_F(HttpClient, stops_at_once_whatever_it_waits_for) {
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

TEST_F(HttpClient, waits_for_a_connection_where_the_limit_is_reached) {
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

TEST_F(HttpClient, does_not_keep_a_connection_beyond_its_idle_limit) {
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

TEST_F(HttpClient, lets_nobody_write_into_the_head) {
    ScriptedServer server({});
    run([&](Client& client) -> Task<void> {
        std::vector<ClientRequest> bad(7, request(server));
        bad[0].headers.add("X", "a\r\nEvil: 1");
        bad[1].headers.add("X\r\nEvil", "1");
        bad[2].method = "GET / HTTP/1.1\r\n";
        bad[3].url.target = "/a HTTP/1.1\r\nEvil: 1";
        bad[4].url.host = "a\r\nEvil: 1";
        bad[5].headers.add("content-length", "7");
        bad[6].headers.add("X", std::string("a\0b", 3));
        for (const ClientRequest& one : bad) {
            const Whole whole = co_await ask(client, one);
            EXPECT_FALSE(whole.ok);
            EXPECT_EQ(whole.error, Errc::invalid_request);
        }
    });
}

TEST_F(HttpClient, says_that_nobody_listens) {
    std::uint16_t port;
    {
        ScriptedServer gone({});
        port = gone.port();
    }
    run([&](Client& client) -> Task<void> {
        ClientRequest asked;
        asked.url = {.host = "localhost", .port = port};
        const Whole whole = co_await ask(client, asked);
        EXPECT_EQ(whole.error, Errc::upstream_unavailable);
        EXPECT_NE(whole.message.find("refused"), std::string::npos) << whole.message;
    });
}

TEST_F(HttpClient, refuses_a_tls_server_that_does_not_speak_tls) {
    ScriptedServer server({[](BlockingSocket& socket) {
        socket.receive();
        socket.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    }});
    run([&](Client& client) -> Task<void> {
        ClientRequest asked = request(server);
        asked.url.tls = true;
        const Whole whole = co_await ask(client, asked);
        EXPECT_EQ(whole.error, Errc::upstream_unavailable) << whole.message;
    });
}

}  // namespace
}  // namespace tertulia::http
