#include "tertulia/http/client.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <boost/asio/post.hpp>

#include "tertulia/http/test_client.h"

namespace tertulia::http {
namespace {

using namespace testing;

class HttpClient : public ClientTest {};

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

TEST_F(HttpClient, gives_others_their_turn_however_much_comes) {
    const std::string large(4'000'000, 'x');
    ScriptedServer server({answer("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n" + large)});
    run([&](Client& client) -> Task<void> {
        auto response = co_await client.send(request(server, ""), {}, in_time());
        EXPECT_TRUE(response);
        if (!response) co_return;
        const async::Executor executor = co_await async::this_executor;
        for (int i = 0; i < 3; ++i) {
            bool had_its_turn = false;
            boost::asio::post(executor, [&] { had_its_turn = true; });
            for (int part = 0; part < 10; ++part) EXPECT_TRUE(co_await (*response)->read(in_time()));
            EXPECT_TRUE(had_its_turn);
        }
        EXPECT_GT((co_await read_all(**response, in_time())).body.size(), 1'000'000u);
    });
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

// -- bodies that are sent as they come ------------------------------------------------------------------------------

TEST_F(HttpClient, sends_a_body_in_chunks_with_trailers_and_closes) {
    std::string got;
    ScriptedServer server({[&](BlockingSocket& socket) {
        got = socket.receive_until("because\r\n\r\n");
        socket.send("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok");
        EXPECT_EQ(socket.receive(), "") << "the connection is not used again";
    }});
    run([&](Client& client) -> Task<void> {
        ClientRequest asked = request(server, "first");
        asked.headers.add("Trailer", "X-Why");
        auto upload = co_await client.upload(asked, {}, in_time());
        EXPECT_TRUE(upload);
        if (!upload) co_return;
        EXPECT_TRUE(co_await (*upload)->write("", in_time())) << "nothing is no chunk: that would be the end";
        EXPECT_TRUE(co_await (*upload)->write("second", in_time()));
        Headers trailers;
        trailers.add("X-Why", "because");
        auto response = co_await (*upload)->finish(std::move(trailers), in_time());
        EXPECT_TRUE(response);
        if (!response) co_return;
        EXPECT_EQ((*response)->status, 202);
        EXPECT_EQ((co_await read_all(**response, in_time())).body, "ok");
        EXPECT_EQ(client.idle_connections(), 0u);
    });
    EXPECT_EQ(got, "POST /v1/x?y=z HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                       "\r\nTrailer: X-Why\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                       "5\r\nfirst\r\n6\r\nsecond\r\n0\r\nX-Why: because\r\n\r\n");
}

TEST_F(HttpClient, finds_the_answer_that_came_before_the_body_was_sent) {
    ScriptedServer server({[&](BlockingSocket& socket) {
        socket.receive_until("\r\n\r\n");
        socket.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }});
    run([&](Client& client) -> Task<void> {
        auto upload = co_await client.upload(request(server, ""), {}, in_time());
        EXPECT_TRUE(upload);
        if (!upload) co_return;
        auto response = co_await (*upload)->finish({}, in_time());
        EXPECT_TRUE(response) << response.error().message;
        if (response) EXPECT_EQ((*response)->status, 413);
    });
}

TEST_F(HttpClient, refuses_trailers_that_would_write_into_the_stream) {
    ScriptedServer server({[&](BlockingSocket& socket) { socket.receive_until("\r\n\r\n"); }});
    run([&](Client& client) -> Task<void> {
        auto upload = co_await client.upload(request(server, ""), {}, in_time());
        EXPECT_TRUE(upload);
        if (!upload) co_return;
        Headers trailers;
        trailers.add("X-Why", "a\r\nb: c");
        EXPECT_EQ((co_await (*upload)->finish(std::move(trailers), in_time())).error().code, Errc::invalid_request);
    });
}

}  // namespace
}  // namespace tertulia::http
