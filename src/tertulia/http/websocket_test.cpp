#include "tertulia/http/websocket.h"

#include <atomic>
#include <mutex>

#include "tertulia/http/test_frames.h"
#include "tertulia/http/test_server.h"

namespace tertulia::http {
namespace {

using async::Task;
using std::chrono::milliseconds;
using testing::BlockingSocket;
using testing::close_payload;
using testing::frame;
using testing::Frame;
using testing::FrameClient;

const base::Deadline never;

// /echo sends every message back and keeps what the last read said.
class WebSocketServer : public testing::ServerTest {
  protected:
    WebSocketServer() {
        add("/echo", [this](WebSocket& socket) -> Task<void> {
            for (;;) {
                auto message = co_await socket.read(never);
                if (!message) {
                    tell(message.error());
                    co_return;
                }
                {
                    const std::lock_guard lock(mutex_);
                    heard_ += message->substr(0, 10) + ";";
                }
                co_await socket.write(*message);
            }
        });
        options_.on_answered = [this](const Request& request, const Answered& what) {
            const std::lock_guard lock(mutex_);
            answered_ += request.path + " " + std::to_string(what.status) + (what.complete ? ";" : " broken;");
        };
        router_.add("GET", "/empty",
                    [](Request&, ResponseWriter& writer) -> Task<void> { co_await writer.respond({.status = 204}); });
    }

    void add(std::string path, std::function<Task<void>(WebSocket&)> body) {
        router_.add("GET", path, [this, body](Request& request, ResponseWriter& writer) -> Task<void> {
            auto socket = co_await accept_websocket(request, writer, websocket_);
            if (!socket) {
                co_await writer.respond(options_.on_error(socket.error(), &request));
                co_return;
            }
            co_await body(**socket);
        });
    }
    void tell(const Closed& closed) {
        const std::lock_guard lock(mutex_);
        closed_ = closed;
    }
    // What the handler was told at the end; waits for it.
    Closed told() {
        for (int i = 0; i < testing::patience_seconds * 1000; ++i) {
            {
                const std::lock_guard lock(mutex_);
                if (closed_) return *std::exchange(closed_, std::nullopt);
            }
            ::usleep(1000);
        }
        ADD_FAILURE() << "the handler has not ended";
        return {};
    }
    FrameClient open(std::string_view path = "/echo", std::string_view with_it = "") {
        return {connect(), path, with_it};
    }
    std::string talk(const std::string& bytes) {
        auto socket = connect();
        EXPECT_TRUE(socket.send(bytes));
        socket.shut_write();
        return socket.receive_all();
    }

    WebSocketOptions websocket_;
    std::mutex mutex_;
    std::optional<Closed> closed_;
    std::string answered_, heard_;
    std::atomic<bool> go_on_ = false;
};

void expect_text(const Frame& got, std::string_view text) {
    EXPECT_EQ(got.opcode, testing::text);
    EXPECT_TRUE(got.fin);
    EXPECT_EQ(got.payload, text);
}

TEST_F(WebSocketServer, opens_with_the_answer_of_the_rfc_and_says_so_once) {
    websocket_.subprotocol = "tertulia";
    options_.decorate = [](const Request&, Response& response) { response.headers.add("X-Id", "1"); };
    start();
    FrameClient client = open();
    for (const char* field :
         {"Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "X-Id: 1\r\n",
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", "Sec-WebSocket-Protocol: tertulia\r\n"})
        EXPECT_NE(client.head().find(field), std::string::npos) << field << " in\n" << client.head();
    for (const char* field : {"close", "Content-Length", "Transfer-Encoding", "Beast"})
        EXPECT_EQ(client.head().find(field), std::string::npos) << client.head();
    client.send(frame(testing::close, close_payload(1000)));
    told();
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(answered_, "/echo 101;");
}

TEST_F(WebSocketServer, refuses_what_is_no_handshake_as_any_request_and_goes_on) {
    start();
    const std::string fields = "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    const std::string answers = talk(
        "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /echo HTTP/1.1\r\n" +
        fields +
        "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        "GET /echo HTTP/1.1\r\n" +
        fields + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\nGET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    std::string statuses;
    std::size_t versions = 0;
    for (std::size_t at = answers.find("HTTP/1.1 "); at != std::string::npos; at = answers.find("HTTP/1.1 ", at + 1))
        if (at == 0 || answers[at - 1] != ' ') statuses += answers.substr(at + 9, 3) + " ";
    for (std::size_t at = 0; (at = answers.find("Sec-WebSocket-Version: 13\r\n", at)) != std::string::npos; ++at)
        ++versions;
    EXPECT_EQ(statuses, "426 426 400 204 ") << answers;
    EXPECT_EQ(versions, 2u) << answers;
    EXPECT_TRUE(talk("GET /echo HTTP/1.0\r\n" + fields +
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                    .starts_with("HTTP/1.1 400 "));
}

TEST_F(WebSocketServer, echoes_messages_of_all_lengths) {
    start();
    FrameClient client = open();
    for (const std::size_t size : {0u, 1u, 125u, 126u, 511u, 512u, 513u, 1536u, 65535u, 65536u, 1u << 20}) {
        std::string message(size, '.');
        for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<char>('a' + i * 7 % 26);
        std::thread sender([&] { EXPECT_TRUE(client.send(frame(testing::text, message))); });
        const Frame got = client.receive();
        sender.join();
        EXPECT_EQ(got.opcode, testing::text);
        EXPECT_TRUE(got.fin) << "in one frame";
        EXPECT_TRUE(got.payload == message) << size;
    }
}

TEST_F(WebSocketServer, takes_what_came_with_the_request_and_bytes_one_by_one) {
    start();
    FrameClient early = open("/echo", frame(testing::text, "early") + frame(testing::text, std::string(5000, 'x')));
    expect_text(early.receive(), "early");
    expect_text(early.receive(), std::string(5000, 'x'));
    FrameClient slow = open();
    for (const char byte : frame(testing::text, "by", {.fin = false}) + frame(testing::ping, "p") +
                               frame(testing::continuation, " bytes")) {
        ASSERT_TRUE(slow.send({&byte, 1}));
        ::usleep(500);
    }
    EXPECT_EQ(slow.receive().opcode, testing::pong);
    expect_text(slow.receive(), "by bytes");
}

TEST_F(WebSocketServer, joins_fragments_and_answers_pings_between_them) {
    start();
    FrameClient client = open();
    client.send(frame(testing::text, "caf\xc3", {.fin = false}) + frame(testing::ping, "a") +
                frame(testing::continuation, "", {.fin = false}) + frame(testing::pong, "unasked") +
                frame(testing::ping, "") + frame(testing::continuation, "\xa9"));
    const Frame first = client.receive(), second = client.receive();
    EXPECT_EQ(first.opcode, testing::pong);
    EXPECT_EQ(first.payload, "a");
    EXPECT_EQ(second.opcode, testing::pong);
    EXPECT_EQ(second.payload, "");
    expect_text(client.receive(), "caf\xc3\xa9");
}

TEST_F(WebSocketServer, ends_a_breach_of_the_protocol_with_its_code) {
    websocket_.message_limit = 1000;
    start();
    using namespace testing;
    struct Case {
        const char* what;
        CloseCode code;
        std::string bytes;
    };
    const auto protocol = CloseCode::protocol_error;
    for (const Case& c : {
             Case{"unmasked", protocol, frame(text, "x", {.mask = false})},
             Case{"unmasked ping", protocol, frame(ping, "x", {.mask = false})},
             Case{"reserved bit 1 (compressed)", protocol, frame(text, "x", {.reserved = 4})},
             Case{"reserved bit 2", protocol, frame(text, "x", {.reserved = 2})},
             Case{"reserved bit 3", protocol, frame(ping, "x", {.reserved = 1})},
             Case{"reserved bit in a continuation", protocol,
                  frame(text, "x", {.fin = false}) + frame(continuation, "x", {.reserved = 4})},
             Case{"opcode 3", protocol, frame(3, "x")},
             Case{"opcode 7", protocol, frame(7, "")},
             Case{"opcode 11", protocol, frame(11, "")},
             Case{"opcode 15", protocol, frame(15, "x")},
             Case{"fragmented ping", protocol, frame(ping, "x", {.fin = false})},
             Case{"fragmented close", protocol, frame(testing::close, close_payload(1000), {.fin = false})},
             Case{"large ping", protocol, frame(ping, std::string(126, 'x'))},
             Case{"ping with a long length", protocol, frame(ping, "x", {.length_bytes = 2})},
             Case{"continuation of nothing", protocol, frame(continuation, "x")},
             Case{"continuation after the end", protocol, frame(text, "", {}) + frame(continuation, "x")},
             Case{"message within a message", protocol, frame(text, "x", {.fin = false}) + frame(text, "y")},
             Case{"length 125 in 2 bytes", protocol, frame(text, std::string(125, 'x'), {.length_bytes = 2})},
             Case{"length 300 in 8 bytes", protocol, frame(text, std::string(300, 'x'), {.length_bytes = 8})},
             Case{"close of one byte", protocol, frame(testing::close, "x")},
             Case{"close code 999", protocol, frame(testing::close, close_payload(999))},
             Case{"close code 1004", protocol, frame(testing::close, close_payload(1004))},
             Case{"close code 1005", protocol, frame(testing::close, close_payload(1005))},
             Case{"close code 1006", protocol, frame(testing::close, close_payload(1006))},
             Case{"close code 1015", protocol, frame(testing::close, close_payload(1015))},
             Case{"close code 2999", protocol, frame(testing::close, close_payload(2999))},
             Case{"close code 5000", protocol, frame(testing::close, close_payload(5000, "why"))},
             Case{"close code 65535", protocol, frame(testing::close, close_payload(65535))},
             Case{"close reason", CloseCode::invalid_text, frame(testing::close, close_payload(1000, "\xff"))},
             Case{"close reason that ends in a character", CloseCode::invalid_text,
                  frame(testing::close, close_payload(4000, std::string(121, 'x') + "\xe2\x82"))},
             Case{"HTTP", protocol, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
             Case{"binary", CloseCode::unsupported_data, frame(binary, "x")},
             Case{"empty binary", CloseCode::unsupported_data, frame(binary, "")},
             Case{"large binary, of which little has come", CloseCode::unsupported_data,
                  frame(binary, "x", {.claimed_length = 900})},
             Case{"binary in fragments", CloseCode::unsupported_data, frame(binary, "x", {.fin = false})},
             Case{"not UTF-8", CloseCode::invalid_text, frame(text, "a\xff")},
             Case{"overlong", CloseCode::invalid_text, frame(text, "\xc0\x80")},
             Case{"surrogate", CloseCode::invalid_text, frame(text, "\xed\xa0\x80")},
             Case{"too high", CloseCode::invalid_text, frame(text, "\xf4\x90\x80\x80")},
             Case{"cut character", CloseCode::invalid_text, frame(text, "a\xe2\x82")},
             Case{"cut character at the end of fragments", CloseCode::invalid_text,
                  frame(text, "a\xe2", {.fin = false}) + frame(continuation, "\x82")},
             Case{"not UTF-8 in a fragment whose end has not come", CloseCode::invalid_text,
                  frame(text, "a\xff", {.fin = false})},
             Case{"over the limit", CloseCode::too_big, frame(text, std::string(1001, 'x'))},
             Case{"over the limit, of which nothing has come", CloseCode::too_big,
                  frame(text, "", {.claimed_length = 1001})},
             Case{"with a length whose top bit is set", CloseCode::too_big,
                  frame(text, "", {.length_bytes = 8, .claimed_length = std::uint64_t(1) << 63})},
             Case{"far over it", CloseCode::too_big, frame(text, "", {.claimed_length = (std::uint64_t(1) << 63) - 1})},
             Case{"over the limit in fragments", CloseCode::too_big,
                  frame(text, std::string(600, 'x'), {.fin = false}) + frame(continuation, std::string(401, 'x'))},
         }) {
        SCOPED_TRACE(c.what);
        FrameClient client = open();
        ASSERT_TRUE(client.send(frame(text, "before") + c.bytes));
        client.send(frame(text, "after"));
        Frame got = client.receive();
        while (got.opcode == text) got = client.receive();
        EXPECT_EQ(got.opcode, testing::close);
        EXPECT_EQ(got.code(), static_cast<int>(c.code));
        client.send(frame(testing::close, close_payload(got.code())));
        client.socket().shut_write();
        EXPECT_TRUE(client.at_end());
        const Closed closed = told();
        EXPECT_EQ(closed.code, c.code);
        EXPECT_FALSE(closed.by_client);
        EXPECT_FALSE(closed.timed_out);
        const std::lock_guard lock(mutex_);
        EXPECT_TRUE(std::exchange(heard_, "").starts_with("before;")) << "what came before it counts";
        EXPECT_EQ(heard_.find("after"), std::string::npos);
    }
}

TEST_F(WebSocketServer, tells_the_clients_close_and_answers_it_with_the_same_code) {
    start();
    struct Case {
        std::string payload;
        int answer;
        CloseCode code;
        std::string reason;
    };
    for (const Case& c : {
             Case{"", 1000, CloseCode::no_status, ""},
             Case{close_payload(1000), 1000, CloseCode::normal, ""},
             Case{close_payload(1001, "caf\xc3\xa9"), 1001, CloseCode::going_away, "caf\xc3\xa9"},
             Case{close_payload(1011, std::string(123, 'x')), 1011, CloseCode::internal_error, std::string(123, 'x')},
             Case{close_payload(4999, "mine"), 4999, static_cast<CloseCode>(4999), "mine"},
         }) {
        SCOPED_TRACE(c.payload.size());
        FrameClient client = open();
        ASSERT_TRUE(client.send(frame(testing::close, c.payload)));
        client.send(frame(testing::text, "after"));
        const Frame got = client.receive();
        EXPECT_EQ(got.opcode, testing::close);
        EXPECT_EQ(got.code(), c.answer);
        EXPECT_TRUE(client.at_end()) << "the server closes first";
        const Closed closed = told();
        EXPECT_TRUE(closed.by_client);
        EXPECT_EQ(closed.code, c.code);
        EXPECT_EQ(closed.reason, c.reason);
    }
}

TEST_F(WebSocketServer, tells_a_connection_that_broke) {
    start();
    for (const bool reset : {false, true}) {
        FrameClient client = open();
        ASSERT_TRUE(client.send(frame(testing::text, "half", {.fin = false})));
        const linger hard{.l_onoff = 1, .l_linger = 0};
        if (reset) ::setsockopt(client.socket().fd(), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        client.socket().close();
        const Closed closed = told();
        EXPECT_EQ(closed.code, CloseCode::abnormal);
        EXPECT_FALSE(closed.by_client);
    }
}

TEST_F(WebSocketServer, a_read_that_gives_up_loses_nothing) {
    add("/impatient", [](WebSocket& socket) -> Task<void> {
        const auto none = co_await socket.read(base::Deadline::after(milliseconds(5)));
        EXPECT_TRUE(!none && none.error().timed_out);
        EXPECT_TRUE(co_await socket.write("late"));
        const auto some = co_await socket.read(never);
        EXPECT_TRUE(some);
        if (some) co_await socket.write(*some);
    });
    start();
    FrameClient client = open("/impatient", frame(testing::text, "the first half, ", {.fin = false}));
    expect_text(client.receive(), "late");
    client.send(frame(testing::continuation, "the second"));
    expect_text(client.receive(), "the first half, the second");
    EXPECT_EQ(client.receive().code(), 1000) << "the handler has ended";
}

TEST_F(WebSocketServer, closes_with_what_the_handler_says_and_1011_for_a_bug) {
    add("/closes", [this](WebSocket& socket) -> Task<void> {
        socket.close(CloseCode::try_again_later, std::string(122, 'x') + "\xc3\xa9");
        socket.close(CloseCode::normal, "too late");
        EXPECT_FALSE(co_await socket.write("too late"));
        EXPECT_FALSE(socket.is_open());
        const auto none = co_await socket.read(never);
        if (!none) tell(none.error());
    });
    add("/throws", [](WebSocket&) -> Task<void> {
        throw std::runtime_error("a bug");
        co_return;
    });
    start();
    FrameClient client = open("/closes");
    const Frame got = client.receive();
    EXPECT_EQ(got.opcode, testing::close);
    EXPECT_EQ(got.payload, close_payload(1013, std::string(122, 'x'))) << "not cut within a character";
    EXPECT_EQ(told().code, CloseCode::try_again_later);
    FrameClient other = open("/throws");
    EXPECT_EQ(other.receive().code(), 1011);
    EXPECT_EQ(bugs_, 1);
}

TEST_F(WebSocketServer, writes_of_several_tasks_and_pongs_do_not_mix) {
    std::atomic<bool> whole = true;
    add("/many", [&](WebSocket& socket) -> Task<void> {
        async::TaskGroup tasks(worker_.executor(), [](const std::string& what) { ADD_FAILURE() << what; });
        for (char c = 'a'; c < 'e'; ++c)
            tasks.spawn([](WebSocket& to, char letter, std::atomic<bool>& all) -> Task<void> {
                for (int i = 0; i < 20; ++i)
                    if (!co_await to.write(std::string(100'000, letter))) all = false;
            }(socket, c, whole));
        co_await tasks.join(never);
        EXPECT_TRUE(co_await socket.read(never));
    });
    start();
    FrameClient client = open("/many");
    std::thread sender([&] {
        for (int i = 0; i < 50; ++i) client.send(frame(testing::ping, std::to_string(i)));
        client.send(frame(testing::text, "all"));
    });
    std::map<char, int> counts;
    int pongs = 0;
    for (Frame got = client.receive(); got.opcode != testing::close && got.opcode >= 0; got = client.receive()) {
        if (got.opcode == testing::pong) {
            EXPECT_EQ(got.payload, std::to_string(pongs++));
            continue;
        }
        ASSERT_EQ(got.payload.size(), 100'000u);
        ASSERT_EQ(got.payload.find_first_not_of(got.payload[0]), std::string::npos);
        ++counts[got.payload[0]];
    }
    sender.join();
    EXPECT_EQ(counts, (std::map<char, int>{{'a', 20}, {'b', 20}, {'c', 20}, {'d', 20}}));
    EXPECT_EQ(pongs, 50);
    EXPECT_TRUE(whole);
}

TEST_F(WebSocketServer, drops_a_reader_that_takes_nothing) {
    websocket_.write_limit = milliseconds(50);
    add("/flood", [this](WebSocket& socket) -> Task<void> {
        const std::string block(256 * 1024, 'x');
        while (co_await socket.write(block)) {
        }
        const auto none = co_await socket.read(never);
        if (!none) tell(none.error());
    });
    start();
    FrameClient client = open("/flood");
    EXPECT_EQ(told().code, CloseCode::abnormal);
}

TEST_F(WebSocketServer, drops_a_client_that_sends_pings_and_takes_no_pongs) {
    websocket_.write_limit = milliseconds(50);
    start();
    FrameClient client = open();
    std::string pings;
    for (int i = 0; i < 1000; ++i) pings += frame(testing::ping, std::string(125, 'x'));
    std::thread sender([&] {
        while (client.send(pings)) {
        }
    });
    EXPECT_EQ(told().code, CloseCode::abnormal);
    sender.join();
}

TEST_F(WebSocketServer, holds_few_messages_that_nobody_reads) {
    std::atomic<bool> read = false;
    add("/deaf", [&](WebSocket& socket) -> Task<void> {
        while (!read) co_await waiter_->wait(never);
        while (auto message = co_await socket.read(never)) co_await socket.write(std::to_string(message->size()));
    });
    start();
    FrameClient client = open("/deaf");
    const timeval limit{.tv_sec = 0, .tv_usec = 200'000};
    ::setsockopt(client.socket().fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    const std::string block = frame(testing::text, std::string(1 << 20, 'x'));
    std::size_t sent = 0;
    std::string rest;
    for (; rest.empty() && sent < 200; ++sent) {
        std::string_view left = block;
        while (!left.empty()) {
            const ssize_t count = ::send(client.socket().fd(), left.data(), left.size(), MSG_NOSIGNAL);
            if (count <= 0) break;
            left.remove_prefix(static_cast<std::size_t>(count));
        }
        rest = left;
    }
    const timeval patience{.tv_sec = testing::patience_seconds, .tv_usec = 0};
    ::setsockopt(client.socket().fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    EXPECT_LT(sent, 40u) << "MiB taken from a client that nobody reads (what the kernel holds included)";
    read = true;
    waiter_->wake();
    std::thread sender([&] { EXPECT_TRUE(client.send(rest)); });
    for (std::size_t i = 0; i < sent; ++i) expect_text(client.receive(), "1048576");
    sender.join();
}

TEST_F(WebSocketServer, pings_a_silent_client_and_lives_on_its_pongs) {
    websocket_.ping_after = milliseconds(20);
    websocket_.idle_limit = milliseconds(200);
    start();
    FrameClient client = open();
    for (int i = 0; i < 15; ++i) {
        const Frame got = client.receive();
        ASSERT_EQ(got.opcode, testing::ping) << i;
        client.send(frame(testing::pong, got.payload));
    }
    client.send(frame(testing::text, "there"));
    Frame got = client.receive();
    while (got.opcode == testing::ping) got = client.receive();
    expect_text(got, "there");
    // From now on it says nothing.
    while (got.opcode != testing::close && got.opcode >= 0) got = client.receive();
    EXPECT_EQ(got.code(), 1008);
    EXPECT_EQ(told().code, CloseCode::policy);
}

TEST_F(WebSocketServer, pings_a_client_that_only_listens) {
    websocket_.ping_after = milliseconds(30);
    websocket_.idle_limit = milliseconds(300);
    add("/talks", [this](WebSocket& socket) -> Task<void> {
        while (co_await socket.write("x")) {
            const auto said = co_await socket.read(base::Deadline::after(milliseconds(5)));
            if (!said && !said.error().timed_out) {
                tell(said.error());
                break;
            }
        }
    });
    start();
    FrameClient client = open("/talks");
    int pings = 0;
    Frame got = client.receive();
    for (; got.opcode != testing::close && got.opcode >= 0; got = client.receive())
        pings += got.opcode == testing::ping;
    EXPECT_GE(pings, 3);
    EXPECT_LE(pings, 11) << "one per ping_after";
    EXPECT_EQ(got.code(), 1008) << "it answered none";
    EXPECT_EQ(told().code, CloseCode::policy);
}

TEST_F(WebSocketServer, a_message_in_pieces_gets_no_more_time_for_each) {
    websocket_.idle_limit = milliseconds(150);
    start();
    FrameClient client = open();
    client.send(frame(testing::text, "", {.fin = false}));
    int sent = 0;
    for (; sent < 2000 && closed_ == std::nullopt; ++sent) {
        client.send(frame(testing::continuation, "x", {.fin = false}));
        ::usleep(2000);
        const std::lock_guard lock(mutex_);
        if (closed_) break;
    }
    EXPECT_LT(sent, 2000);
    EXPECT_EQ(told().code, CloseCode::policy);
}

TEST_F(WebSocketServer, drops_a_client_that_does_not_answer_its_close) {
    websocket_.close_limit = milliseconds(30);
    add("/leaves", [](WebSocket&) -> Task<void> { co_return; });
    start();
    FrameClient client = open("/leaves");
    EXPECT_EQ(client.receive().code(), 1000);
    EXPECT_TRUE(client.at_end());
    on_worker([] {});
}

TEST_F(WebSocketServer, ends_where_both_sides_end_it_at_once) {
    websocket_.close_limit = milliseconds(30);
    add("/leaves", [](WebSocket&) -> Task<void> { co_return; });
    start();
    for (const std::string& breach :
         {frame(testing::ping, std::string(126, 'x')), frame(testing::text, "\xff"), frame(testing::close, "x"),
          frame(testing::close, close_payload(1000)), frame(testing::binary, "x"), frame(3, "")}) {
        FrameClient client = open("/leaves", breach);
        EXPECT_EQ(client.receive().opcode, testing::close);
        EXPECT_TRUE(client.at_end());
    }
}

TEST_F(WebSocketServer, is_closed_with_1001_when_the_server_stops) {
    start();
    FrameClient client = open();
    client.send(frame(testing::text, "x"));
    expect_text(client.receive(), "x");
    on_worker([this] { server_->stop_accepting(); });
    const Frame got = client.receive();
    EXPECT_EQ(got.opcode, testing::close);
    EXPECT_EQ(got.code(), 1001);
    client.send(frame(testing::close, close_payload(1001)));
    EXPECT_TRUE(client.at_end());
    const Closed closed = told();
    EXPECT_EQ(closed.code, CloseCode::going_away);
    EXPECT_FALSE(closed.by_client);
}

TEST_F(WebSocketServer, is_dropped_when_the_server_closes_its_connections) {
    start();
    FrameClient client = open();
    client.send(frame(testing::text, "x"));
    expect_text(client.receive(), "x");
    on_worker([this] { server_->close_connections(); });
    EXPECT_TRUE(client.at_end());
    EXPECT_EQ(told().code, CloseCode::abnormal);
}

TEST_F(WebSocketServer, keeps_all_bytes_where_the_handler_watched_for_a_close) {
    std::atomic<int> closed = 0;
    router_.add("GET", "/watched", [&](Request& request, ResponseWriter& writer) -> Task<void> {
        writer.on_close([&] { ++closed; });
        go_on_.wait(false);  // the client's bytes are there before the watch ends
        co_await async::Waiter::make(worker_.executor())->wait(base::Deadline::after(milliseconds(20)));
        const auto socket = co_await accept_websocket(request, writer, websocket_);
        writer.on_close([&] { ++closed; });
        if (!socket) co_return;
        const auto message = co_await (*socket)->read(never);
        if (message) co_await (*socket)->write(*message);
    });
    start();
    BlockingSocket socket = connect();
    const std::string whole = testing::upgrade_request("/watched") + frame(testing::text, "all of it");
    ASSERT_TRUE(socket.send(std::string_view(whole).substr(0, whole.size() - 5)));
    ASSERT_TRUE(socket.send(std::string_view(whole).substr(whole.size() - 5)));
    go_on_ = true;
    go_on_.notify_all();
    EXPECT_NE(socket.receive_until("all of it").find("all of it"), std::string::npos);
    socket.close();
    on_worker([] {});
    EXPECT_EQ(closed, 0);
}

TEST_F(WebSocketServer, goes_with_its_event_loop) {
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    std::optional<Server> server;
    std::uint16_t port = 0;
    worker.start("lost");
    auto listen = [&]() -> Task<void> {
        server.emplace(worker.executor(), worker.tasks(), router_, options_);
        EXPECT_TRUE(server->listen({boost::asio::ip::address_v4::loopback(), 0}));
        port = server->endpoint().port();
        co_return;
    };
    worker.run_until_done(listen());
    FrameClient client(BlockingSocket::connect(port), "/echo");
    client.send(frame(testing::text, "x"));
    expect_text(client.receive(), "x");
    // Neither told nor waited for.
}

TEST_F(WebSocketServer, held_longer_than_its_handler_it_is_closed) {
    std::shared_ptr<WebSocket> kept;
    router_.add("GET", "/kept", [&](Request& request, ResponseWriter& writer) -> Task<void> {
        const auto socket = co_await accept_websocket(request, writer, websocket_);
        if (socket) kept = *socket;
    });
    start();
    FrameClient client = open("/kept");
    EXPECT_EQ(client.receive().code(), 1000);
    client.send(frame(testing::close, close_payload(1000)));
    EXPECT_TRUE(client.at_end());
    auto use = [&]() -> Task<void> {
        EXPECT_FALSE(co_await kept->write("x"));
        EXPECT_FALSE(co_await kept->read(never));
        kept->close(CloseCode::normal, "");
    };
    worker_.run_until_done(use());
}

}  // namespace
}  // namespace tertulia::http
