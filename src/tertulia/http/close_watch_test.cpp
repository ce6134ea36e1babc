#include <sys/resource.h>

#include <atomic>

#include "tertulia/http/test_server.h"

namespace tertulia::http {
namespace {

using async::Task;
using testing::BlockingSocket;

// A handler that waits until it is told to go on or its client leaves.
class CloseWatch : public testing::ServerTest {
  protected:
    CloseWatch() {
        router_.add("GET", "/watched", [this](Request&, ResponseWriter& writer) -> Task<void> {
            bool closed = false;
            writer.on_close([&] {
                closed = true;
                waiter_->wake();
            });
            ++watched_;
            while (!closed && !go_on_) co_await waiter_->wait(base::Deadline::never());
            if (closed) ++closed_;
            co_await writer.respond({.content_type = "text/plain", .headers = {}, .body = closed ? "closed" : "done"});
            ++ended_;
        });
        router_.add("GET", "/unwatched", [this](Request&, ResponseWriter& writer) -> Task<void> {
            writer.on_close([this] { ++closed_; });
            writer.on_close({});
            ++watched_;
            while (!go_on_) co_await waiter_->wait(base::Deadline::never());
            co_await writer.respond({.status = 204});
            ++ended_;
        });
        router_.add("GET", "/empty",
                    [](Request&, ResponseWriter& writer) -> Task<void> { co_await writer.respond({.status = 204}); });
    }

    BlockingSocket ask(std::string_view path = "/watched") {
        BlockingSocket socket = connect();
        EXPECT_TRUE(socket.send("GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n\r\n"));
        wait_for(watched_, 1);
        return socket;
    }
    void go_on() {
        go_on_ = true;
        waiter_->wake();
    }
    static void wait_for(const std::atomic<int>& what, int value) {
        for (int i = 0; i < testing::patience_seconds * 1000 && what < value; ++i) ::usleep(1000);
        EXPECT_EQ(what, value);
    }

    std::atomic<bool> go_on_ = false;
    std::atomic<int> watched_ = 0, closed_ = 0, ended_ = 0;
};

constexpr std::string_view next_request = "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(CloseWatch, tells_of_a_client_that_closes) {
    start();
    ask().close();
    wait_for(ended_, 1);
    EXPECT_EQ(closed_, 1);
}

TEST_F(CloseWatch, tells_of_a_client_that_resets_the_connection) {
    start();
    BlockingSocket socket = ask();
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    socket.close();
    wait_for(ended_, 1);
    EXPECT_EQ(closed_, 1);
}

TEST_F(CloseWatch, takes_a_half_closed_connection_for_closed_and_can_still_answer) {
    start();
    BlockingSocket socket = ask();
    socket.shut_write();
    EXPECT_TRUE(socket.receive_all().ends_with("closed"));
    EXPECT_EQ(closed_, 1);
}

TEST_F(CloseWatch, tells_of_a_client_that_closed_before_it_was_asked) {
    start();
    BlockingSocket socket = connect();
    ASSERT_TRUE(socket.send("GET /watched HTTP/1.1\r\nHost: a\r\n\r\n"));
    socket.shut_write();
    EXPECT_TRUE(socket.receive_all().ends_with("closed"));
}

TEST_F(CloseWatch, keeps_the_requests_that_follow) {
    start();
    BlockingSocket socket = connect();
    ASSERT_TRUE(socket.send("GET /watched HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(next_request) + "GET /em"));
    wait_for(watched_, 1);
    ASSERT_TRUE(socket.send("pty HTTP/1.1\r\nHost: a\r\n\r\n"));
    ASSERT_TRUE(socket.send(next_request));
    // Another connection's answer: by then the server has looked at this one too.
    BlockingSocket other = connect();
    ASSERT_TRUE(other.send(next_request));
    other.receive_until("\r\n\r\n");
    go_on();
    std::string answers = socket.receive_until("done");
    socket.shut_write();
    answers += socket.receive_all();
    EXPECT_NE(answers.find("\r\n\r\ndoneHTTP/1.1 204"), std::string::npos) << answers;
    std::size_t count = 0;
    for (std::size_t at = answers.find(" 204 "); at != std::string::npos; at = answers.find(" 204 ", at + 1)) ++count;
    EXPECT_EQ(count, 3u);
    EXPECT_EQ(closed_, 0);
}

TEST_F(CloseWatch, sees_the_end_behind_requests_that_follow) {
    start();
    BlockingSocket socket = ask();
    ASSERT_TRUE(socket.send(next_request));
    ASSERT_TRUE(socket.send(next_request));
    socket.close();
    wait_for(ended_, 1);
    EXPECT_EQ(closed_, 1);
}

TEST_F(CloseWatch, neither_keeps_a_flood_of_requests_in_memory_nor_loses_it) {
    start();
    BlockingSocket socket = ask();
    std::string flood;
    while (flood.size() < 4 * close_watch_bytes) flood += next_request;
    std::thread sender([&] { EXPECT_TRUE(socket.send(flood)); });
    for (int i = 0; i < 3; ++i) {  // other clients are served meanwhile
        BlockingSocket other = connect();
        ASSERT_TRUE(other.send(next_request));
        other.receive_until("\r\n\r\n");
    }
    go_on();
    std::size_t count = 0;
    std::string rest;
    while (count < flood.size() / next_request.size()) {
        const std::string part = socket.receive();
        ASSERT_FALSE(part.empty());
        rest += part;
        std::size_t at = 0, mark = 0;
        while ((mark = rest.find(" 204 ", at)) != std::string::npos) {
            ++count;
            at = mark + 5;
        }
        rest.erase(0, std::max(at, rest.size() - std::min<std::size_t>(rest.size(), 4)));
    }
    sender.join();
    EXPECT_EQ(closed_, 0);
}

TEST_F(CloseWatch, costs_no_time_while_bytes_wait_that_nobody_reads) {
    start();
    BlockingSocket socket = ask();
    ASSERT_TRUE(socket.send(std::string(32 * 1024, '\n')));
    rusage before{}, after{};
    ::getrusage(RUSAGE_SELF, &before);
    ::usleep(200'000);
    ::getrusage(RUSAGE_SELF, &after);
    const auto spent =
        (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1'000'000 + after.ru_utime.tv_usec - before.ru_utime.tv_usec;
    EXPECT_LT(spent, 100'000) << "microseconds of 200 000";
    go_on();
    wait_for(ended_, 1);
}

TEST_F(CloseWatch, ends_with_the_handler_and_with_a_null) {
    start();
    BlockingSocket socket = ask("/unwatched");
    socket.close();
    BlockingSocket other = connect();
    ASSERT_TRUE(other.send(next_request));
    other.receive_until("\r\n\r\n");
    go_on();
    wait_for(ended_, 1);
    EXPECT_EQ(closed_, 0);
}

TEST_F(CloseWatch, begins_anew_with_each_request_of_a_connection) {
    start();
    go_on_ = true;
    BlockingSocket socket = ask();
    EXPECT_TRUE(socket.receive_until("done").ends_with("done"));
    go_on_ = false;
    ASSERT_TRUE(socket.send("GET /watched HTTP/1.1\r\nHost: a\r\n\r\n"));
    wait_for(watched_, 2);
    socket.close();
    wait_for(ended_, 2);
    EXPECT_EQ(closed_, 1);
}

TEST_F(CloseWatch, tells_of_a_server_that_closes) {
    start();
    BlockingSocket socket = ask();
    on_worker([this] { server_->close_connections(); });
    wait_for(ended_, 1);
    EXPECT_EQ(closed_, 1);
}

}  // namespace
}  // namespace tertulia::http
