#include "tertulia/http/resolver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tertulia/async/task_group.h"
#include "tertulia/async/worker.h"

namespace tertulia::http {
namespace {

using async::Task;
using base::Deadline;
using std::chrono::milliseconds;

// A name server on loopback: `known.test` is 127.0.0.7, `silent.test` gets no answer, nothing else exists.
class NameServer {
  public:
    NameServer() : socket_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
        socklen_t size = sizeof(address);
        ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~NameServer() {
        ::shutdown(socket_, SHUT_RDWR);  // wakes recvfrom
        thread_.join();
        ::close(socket_);
    }
    std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

    std::atomic<int> queries = 0;

  private:
    void serve() {
        for (;;) {
            std::string packet(512, '\0');
            sockaddr_in from{};
            socklen_t size = sizeof(from);
            const ssize_t count =
                ::recvfrom(socket_, packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
            if (count <= 0) return;
            packet.resize(static_cast<std::size_t>(count));
            ++queries;
            const auto has = [&](std::string_view label) { return packet.find(label) != std::string::npos; };
            if (has("silent")) continue;
            const std::size_t question_end = packet.find('\0', 12) + 5;
            const bool wants_ipv4 = packet[question_end - 3] == 1;
            std::string answer = packet.substr(0, question_end);
            answer[2] = '\x81';
            answer[3] = has("known") ? '\x80' : '\x83';  // no such name
            for (std::size_t i = 6; i < 12; ++i) answer[i] = 0;
            if (has("known") && wants_ipv4) {
                answer[7] = 1;
                answer += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\7", 16);
            }
            ::sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from), size);
        }
    }

    int socket_;
    int port_ = 0;
    std::thread thread_;
};

class Names : public ::testing::Test {
  protected:
    Names() : worker_([](const std::string& what) { ADD_FAILURE() << what; }) { worker_.start("resolver test"); }

    template <class Body>
    void run(Body body) {
        auto whole = [&]() -> Task<void> {
            Resolver resolver(worker_.executor(), server_.address());
            co_await body(resolver);
        };
        worker_.run_until_done(whole());
    }

  public:
    // What is found, or the error's name.
    Task<std::string> find(Resolver& resolver, std::string name, Deadline deadline) {
        const auto waiter = async::Waiter::make(worker_.executor());
        const bool stopped = false;
        const auto found = co_await resolver.resolve(std::move(name), waiter, stopped, deadline);
        if (!found) co_return std::string(base::to_string(found.error().code));
        std::string out;
        for (const auto& address : *found) out += address.to_string() + " ";
        co_return out;
    }
    static Deadline in_time() { return Deadline::after(std::chrono::seconds(10)); }

  protected:
    NameServer server_;
    async::Worker worker_;
};

TEST_F(Names, that_are_addresses_or_localhost_need_no_server) {
    run([&](Resolver& resolver) -> Task<void> {
        EXPECT_EQ(co_await find(resolver, "127.0.0.1", in_time()), "127.0.0.1 ");
        EXPECT_EQ(co_await find(resolver, "::1", in_time()), "::1 ");
        EXPECT_EQ(co_await find(resolver, "localhost", in_time()), "127.0.0.1 ::1 ");
    });
    EXPECT_EQ(server_.queries, 0);
}

TEST_F(Names, are_looked_up_once_and_kept) {
    run([&](Resolver& resolver) -> Task<void> {
        EXPECT_EQ(co_await find(resolver, "known.test", in_time()), "127.0.0.7 ");
        const int queries = server_.queries;
        EXPECT_GT(queries, 0);
        EXPECT_EQ(co_await find(resolver, "known.test", in_time()), "127.0.0.7 ");
        EXPECT_EQ(server_.queries, queries);
    });
}

TEST_F(Names, that_do_not_exist_are_an_error_that_is_not_kept) {
    run([&](Resolver& resolver) -> Task<void> {
        EXPECT_EQ(co_await find(resolver, "unheard-of.test", in_time()), "upstream_unavailable");
        const int queries = server_.queries;
        EXPECT_EQ(co_await find(resolver, "unheard-of.test", in_time()), "upstream_unavailable");
        EXPECT_GT(server_.queries, queries);
    });
}

TEST_F(Names, are_given_up_at_the_deadline_and_do_not_hold_up_others) {
    run([&](Resolver& resolver) -> Task<void> {
        EXPECT_EQ(co_await find(resolver, "silent.test", Deadline::after(milliseconds(30))), "timed_out");
        EXPECT_EQ(co_await find(resolver, "known.test", in_time()), "127.0.0.7 ");
    });
}

TEST_F(Names, that_several_ask_for_share_a_query) {
    run([&](Resolver& resolver) -> Task<void> {
        async::TaskGroup group(worker_.executor(), [](const std::string& what) { ADD_FAILURE() << what; });
        int found = 0;
        for (int i = 0; i < 20; ++i)
            group.spawn([](Names& test, Resolver& names, int& count) -> Task<void> {
                count += co_await test.find(names, "known.test", in_time()) == "127.0.0.7 ";
            }(*this, resolver, found));
        EXPECT_TRUE(co_await group.join(in_time()));
        EXPECT_EQ(found, 20);
    });
    EXPECT_LE(server_.queries, 4) << "one for IPv4 and one for IPv6, and a repetition of each at most";
}

}  // namespace
}  // namespace tertulia::http
