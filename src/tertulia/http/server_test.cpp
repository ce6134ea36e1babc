#include "tertulia/http/server.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tertulia/async/worker.h"
#include "tertulia/http/test_sockets.h"

namespace tertulia::http {
namespace {

using async::Task;
using std::chrono::milliseconds;
using testing::BlockingSocket;

// A server on a worker of its own, with a few handlers.
class HttpServer : public ::testing::Test {
  protected:
    HttpServer() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) {
        options_.body_limit = 1000;
        options_.on_error = [](const base::Error& error, const Request* request) {
            Response response{.status = error.status ? error.status : base::http_status(error.code)};
            response.content_type = "text/plain";
            response.body = error.message + (request ? " " + request->id.substr(0, 2) : " no request");
            return response;
        };
        router_.add("POST", "/echo", [](Request& request, ResponseWriter& writer) -> Task<void> {
            Response response;
            response.content_type = "text/plain";
            response.body = request.body;
            co_await writer.respond(std::move(response));
        });
        router_.add("GET", "/stream", [](Request&, ResponseWriter& writer) -> Task<void> {
            Response response;
            response.content_type = "text/event-stream";
            response.body = "one";
            co_await writer.start_stream(std::move(response));
            co_await writer.write("two");
            co_await writer.write("");
            co_await writer.finish();
        });
        router_.add("GET", "/trailer", [](Request&, ResponseWriter& writer) -> Task<void> {
            Response response{.content_type = "text/plain"};
            if (writer.takes_trailers()) response.headers.add("Trailer", "x-sum");
            response.body = "one";
            co_await writer.start_stream(std::move(response));
            Headers trailers;
            trailers.add("x-sum", "1");
            co_await writer.finish_with(std::move(trailers));
        });
        router_.add("GET", "/unfinished", [](Request&, ResponseWriter& writer) -> Task<void> {
            co_await writer.start_stream({.content_type = "text/plain"});
            co_await writer.write("half");
        });
        router_.add("GET", "/throws", [](Request&, ResponseWriter&) -> Task<void> {
            throw std::runtime_error("a bug");
            co_return;
        });
        router_.add("GET", "/silent", [](Request&, ResponseWriter&) -> Task<void> { co_return; });
        router_.add("GET", "/empty",
                    [](Request&, ResponseWriter& writer) -> Task<void> { co_await writer.respond({.status = 204}); });
        router_.add("GET", "/injects", [](Request&, ResponseWriter& writer) -> Task<void> {
            Response response;
            response.headers.add("X", "a\r\nEvil: 1");
            co_await writer.respond(std::move(response));
        });
        // Writes for as long as the client takes it, and tells when it no longer does.
        router_.add("GET", "/flood", [this](Request&, ResponseWriter& writer) -> Task<void> {
            co_await writer.start_stream({.content_type = "text/plain"});
            const std::string block(256 * 1024, 'x');
            while (co_await writer.write(block)) {
            }
            flood_ended_ = true;
        });
        router_.add("GET", "/waits", [this](Request&, ResponseWriter& writer) -> Task<void> {
            while (!go_on_) co_await waiter_->wait(base::Deadline::after(milliseconds(5)));
            co_await writer.respond({.content_type = "text/plain", .headers = {}, .body = "done"});
        });
    }

    void start() {
        worker_.start("server test");
        on_worker([this]() -> Task<void> {
            waiter_ = async::Waiter::make(worker_.executor());
            server_.emplace(worker_.executor(), worker_.tasks(), router_, options_);
            const auto listening = server_->listen({boost::asio::ip::address_v4::loopback(), 0});
            EXPECT_TRUE(listening) << listening.error().message;
            port_ = server_->endpoint().port();
            co_return;
        });
    }

    ~HttpServer() override {
        if (!server_) return;
        on_worker([this]() -> Task<void> {
            server_->stop_accepting();
            server_->close_connections();
            EXPECT_TRUE(co_await worker_.tasks().join(base::Deadline::after(std::chrono::seconds(10))));
            server_.reset();
        });
    }

    template <class Body>
    void on_worker(Body body) {
        worker_.run_until_done(body());
    }

    // Everything that comes back to `bytes`, until the server closes.
    std::string talk(std::string_view bytes, bool shut = true) {
        BlockingSocket socket = BlockingSocket::connect(port_);
        EXPECT_TRUE(socket.send(bytes));
        if (shut) socket.shut_write();
        return socket.receive_all();
    }

    static int status(std::string_view answer) {
        return answer.starts_with("HTTP/1.1 ") ? std::atoi(std::string(answer.substr(9, 3)).c_str()) : 0;
    }
    static std::string body(std::string_view answer) {
        const std::size_t end = answer.find("\r\n\r\n");
        return end == std::string_view::npos ? "" : std::string(answer.substr(end + 4));
    }
    static std::size_t count(std::string_view text, std::string_view part) {
        std::size_t found = 0;
        for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++found;
        return found;
    }

    ServerOptions options_;
    Router router_;
    async::Worker worker_;
    std::optional<Server> server_;
    std::shared_ptr<async::Waiter> waiter_;
    std::uint16_t port_ = 0;
    std::atomic<bool> go_on_ = false;
    std::atomic<bool> flood_ended_ = false;
};

TEST_F(HttpServer, answers_a_request) {
    start();
    const std::string answer = talk("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(status(answer), 200);
    EXPECT_NE(answer.find("\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n"), std::string::npos) << answer;
    EXPECT_NE(answer.find("\r\nDate: "), std::string::npos);
    EXPECT_EQ(answer.find("Connection:"), std::string::npos);
    EXPECT_EQ(body(answer), "hello");
}

TEST_F(HttpServer, answers_pipelined_requests_in_order) {
    start();
    const std::string one = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    const std::string answers = talk(one + "1" + one + "2" +
                                     "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "1\r\n3\r\n0\r\n\r\n" +
                                     "GET /none HTTP/1.1\r\nHost: a\r\n\r\n" + one + "4");
    EXPECT_EQ(count(answers, "HTTP/1.1 200 OK"), 4u) << answers;
    EXPECT_EQ(count(answers, "HTTP/1.1 404 "), 1u);
    EXPECT_LT(answers.find("\r\n\r\n1"), answers.find("\r\n\r\n2"));
    EXPECT_LT(answers.find("\r\n\r\n2"), answers.find("\r\n\r\n3"));
    EXPECT_EQ(answers.substr(answers.size() - 5), "\r\n\r\n4") << answers;
}

TEST_F(HttpServer, closes_after_the_answer_where_the_client_says_so) {
    start();
    const std::string answer =
        talk("POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", false);
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos) << answer;
    EXPECT_EQ(status(talk("POST /echo HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", false)), 200);
    const std::string kept = talk("POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
    EXPECT_NE(kept.find("\r\nConnection: keep-alive\r\n"), std::string::npos) << kept;
}

TEST_F(HttpServer, streams_in_chunks_or_until_the_end_for_http_1_0) {
    start();
    EXPECT_EQ(body(talk("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n");
    const std::string old = talk("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false);
    EXPECT_EQ(body(old), "onetwo");
    EXPECT_NE(old.find("Connection: close"), std::string::npos);
}

TEST_F(HttpServer, sends_fields_behind_a_stream_to_those_who_take_them) {
    start();
    const std::string with = talk("GET /trailer HTTP/1.1\r\nHost: x\r\nTE: gzip;q=0.5, Trailers\r\n\r\n");
    EXPECT_NE(with.find("\r\nTrailer: x-sum\r\n"), std::string::npos) << with;
    EXPECT_TRUE(with.ends_with("\r\n\r\n3\r\none\r\n0\r\nx-sum: 1\r\n\r\n")) << with;
    for (const char* const fields : {"", "TE: gzip\r\n"}) {
        const std::string without = talk(std::string("GET /trailer HTTP/1.1\r\nHost: x\r\n") + fields + "\r\n");
        EXPECT_EQ(without.find("railer:"), std::string::npos) << without;
        EXPECT_TRUE(without.ends_with("\r\n\r\n3\r\none\r\n0\r\n\r\n")) << without;
    }
    const std::string old = talk("GET /trailer HTTP/1.0\r\nTE: trailers\r\n\r\n");
    EXPECT_EQ(old.find("x-sum"), std::string::npos) << old;
    EXPECT_TRUE(old.ends_with("\r\n\r\none")) << old;
    const std::string head = talk("HEAD /trailer HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n");
    EXPECT_EQ(head.find("x-sum"), std::string::npos) << head;
}

TEST_F(HttpServer, does_not_end_a_stream_that_its_handler_left_unfinished) {
    start();
    EXPECT_EQ(body(talk("GET /unfinished HTTP/1.1\r\nHost: a\r\n\r\n", false)), "4\r\nhalf\r\n");
}

TEST_F(HttpServer, answers_head_like_get_without_a_body) {
    start();
    const std::string answers = talk("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\nHEAD /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(count(answers, "HTTP/1.1 200 OK"), 1u);
    EXPECT_EQ(count(answers, "HTTP/1.1 204 No Content"), 1u);
    EXPECT_EQ(answers.find("one"), std::string::npos);
    EXPECT_TRUE(answers.ends_with("\r\n\r\n"));
}

TEST_F(HttpServer, tells_wrong_paths_and_methods_and_goes_on) {
    start();
    const std::string answers = talk("GET /echo HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(status(answers), 405);
    EXPECT_NE(answers.find("\r\nAllow: POST\r\n"), std::string::npos) << answers;
    EXPECT_EQ(count(answers, "HTTP/1.1 404 "), 1u);
}

TEST_F(HttpServer, answers_500_to_a_bug_and_goes_on) {
    std::atomic<int> bugs = 0;
    options_.on_bug = [&](const std::string&) { ++bugs; };
    start();
    const std::string get = " HTTP/1.1\r\nHost: a\r\n\r\n";
    const std::string answers =
        talk("GET /throws" + get + "GET /silent" + get + "GET /injects" + get + "GET /empty" + get);
    EXPECT_EQ(count(answers, "HTTP/1.1 500 "), 3u) << answers;
    EXPECT_EQ(count(answers, "HTTP/1.1 204 "), 1u);
    EXPECT_EQ(answers.find("a bug"), std::string::npos);
    EXPECT_EQ(answers.find("Evil"), std::string::npos);
    EXPECT_EQ(bugs, 2);
}

TEST_F(HttpServer, refuses_a_malformed_request_and_closes) {
    start();
    struct Case {
        int status;
        std::string bytes;
    };
    const std::string good = "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const Case& c : {
             Case{400, "GET /empty HTTP/1.1\nHost: a\n\n"},
             Case{400, "GET /empty HTTP/1.1\r\n\r\n"},
             Case{400, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
             Case{400,
                  "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
             Case{400, "GET /empty HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n"},
             Case{400, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
             Case{413, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"},
             Case{431, "GET /empty HTTP/1.1\r\nHost: a\r\nX: " + std::string(17000, 'x') + "\r\n\r\n"},
             Case{501, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"},
             Case{505, "GET /empty HTTP/1.3\r\nHost: a\r\n\r\n"},
         }) {
        const std::string answer = talk(c.bytes + good);
        EXPECT_EQ(status(answer), c.status) << c.bytes.substr(0, 100);
        EXPECT_EQ(count(answer, "\r\nDate: "), 1u) << "nothing after it is looked at: " << answer;
        EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
    }
}

TEST_F(HttpServer, refuses_a_large_body_without_reading_it_all) {
    start();
    BlockingSocket socket = BlockingSocket::connect(port_);
    ASSERT_TRUE(socket.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n"));
    const std::string answer = socket.receive_all();  // to the end of what the server says, with none of the body sent
    EXPECT_EQ(status(answer), 413);
}

TEST_F(HttpServer, asks_for_a_body_that_waits_to_be_asked_for) {
    start();
    BlockingSocket socket = BlockingSocket::connect(port_);
    ASSERT_TRUE(socket.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"));
    EXPECT_EQ(socket.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(socket.send("hello"));
    EXPECT_EQ(body(socket.receive_until("hello")), "hello");
    const std::string refused =
        talk("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n", false);
    EXPECT_EQ(status(refused), 413);
}

TEST_F(HttpServer, lets_in_only_whom_it_is_told_to) {
    options_.admit = [](const Request& request) -> base::Result<void> {
        if (request.headers.get("authorization") == "Bearer x") return {};
        return base::fail(base::Errc::unauthenticated, "Say who you are.");
    };
    options_.decorate = [](const Request& request, Response& response) {
        response.headers.add("X-Id", request.id.substr(0, 2));
    };
    std::atomic<int> answered = 0;
    options_.on_answered = [&](const Request&, const Answered& what) { answered += what.complete ? what.status : 0; };
    start();
    const std::string refused = talk("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(status(refused), 401);
    EXPECT_NE(refused.find("X-Id: r_"), std::string::npos);
    EXPECT_EQ(body(refused), "Say who you are. r_");
    const std::string admitted =
        talk("POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(body(admitted), "hello");
    EXPECT_EQ(answered, 601);
}

TEST_F(HttpServer, gives_up_on_clients_that_are_too_slow) {
    options_.head_limit = options_.body_time_limit = options_.idle_limit = milliseconds(30);
    start();
    EXPECT_EQ(talk("", false), "") << "idle: closed without a word";
    EXPECT_EQ(status(talk("GET / HT", false)), 408);
    EXPECT_EQ(status(talk("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", false)), 408);
}

TEST_F(HttpServer, gives_a_head_no_more_time_for_coming_byte_by_byte) {
    options_.head_limit = milliseconds(100);
    start();
    BlockingSocket socket = BlockingSocket::connect(port_);
    const std::string drip = "GET /empty HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'x');
    std::size_t sent = 0;
    while (sent < drip.size() && socket.send({drip.data() + sent, 1})) {
        ++sent;
        ::usleep(1000);
    }
    EXPECT_LT(sent, drip.size());
}

TEST_F(HttpServer, drops_a_reader_that_takes_nothing) {
    options_.write_limit = milliseconds(50);
    start();
    BlockingSocket socket = BlockingSocket::connect(port_);
    ASSERT_TRUE(socket.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (int i = 0; i < 1000 && !flood_ended_; ++i) ::usleep(10'000);
    EXPECT_TRUE(flood_ended_);
}

TEST_F(HttpServer, tells_those_beyond_its_limit_and_serves_the_others) {
    options_.max_connections = 2;
    start();
    BlockingSocket first = BlockingSocket::connect(port_), second = BlockingSocket::connect(port_);
    for (BlockingSocket* socket : {&first, &second}) {
        ASSERT_TRUE(socket->send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"));
        EXPECT_EQ(status(socket->receive_until("\r\n\r\n")), 204);
    }
    EXPECT_EQ(status(talk("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n")), 503);
    ASSERT_TRUE(first.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(status(first.receive_until("\r\n\r\n")), 204);
}

TEST_F(HttpServer, stops_gracefully) {
    start();
    BlockingSocket idle = BlockingSocket::connect(port_), busy = BlockingSocket::connect(port_);
    ASSERT_TRUE(idle.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(status(idle.receive_until("\r\n\r\n")), 204);
    ASSERT_TRUE(busy.send("GET /empty HTTP/1.1\r\nHost: a\r\n\r\nGET /waits HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_EQ(status(busy.receive_until("\r\n\r\n")), 204);
    on_worker([this]() -> Task<void> {
        server_->stop_accepting();
        co_return;
    });
    EXPECT_EQ(idle.receive(), "") << "the idle one is closed";
    go_on_ = true;
    const std::string answer = busy.receive_all();
    EXPECT_EQ(body(answer), "done");
    EXPECT_NE(answer.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(HttpServer, notices_a_port_that_is_taken) {
    start();
    const auto taken = probe_listen("127.0.0.1", port_);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, base::Errc::conflict);
    const auto free = probe_listen("localhost", 0);
    ASSERT_TRUE(free);
    EXPECT_NE(free->port(), 0);
    EXPECT_FALSE(probe_listen("not an address", 0));
}

}  // namespace
}  // namespace tertulia::http
