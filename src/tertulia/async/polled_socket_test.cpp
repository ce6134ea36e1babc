#include "tertulia/async/polled_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tertulia/async/task_group.h"
#include "tertulia/async/worker.h"

namespace tertulia::async {
namespace {

using std::chrono::milliseconds;

base::Deadline soon() {
    return base::Deadline::after(std::chrono::seconds(30));
}

// The other end of a socket, for as long as it is open.
class Peer {
  public:
    explicit Peer(PolledSocket& socket) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        end_ = ends[1];
        EXPECT_EQ(socket.open(ends[0]), 0);
    }
    Peer(Peer&& other) noexcept : end_(std::exchange(other.end_, -1)) {}
    ~Peer() { close(); }

    void close() {
        if (end_ >= 0) ::close(std::exchange(end_, -1));
    }
    void shutdown() { ::shutdown(end_, SHUT_WR); }
    void send(std::string_view text) {
        EXPECT_EQ(::send(end_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    std::string receive_all() {
        std::string got, part(65536, '\0');
        for (ssize_t count; (count = ::recv(end_, part.data(), part.size(), 0)) > 0;)
            got.append(part, 0, static_cast<std::size_t>(count));
        return got;
    }

  private:
    int end_ = -1;
};

// As ClientConnection reads: none where nothing is there, empty at the end.
std::optional<std::string> read(PolledSocket& socket, std::size_t room = 64) {
    if (!socket.may_be_read()) return std::nullopt;
    std::string buffer(room, '\0');
    const ssize_t count = ::recv(socket.descriptor(), buffer.data(), room, 0);
    if (count < static_cast<ssize_t>(room)) socket.was_emptied();
    if (count < 0) return std::nullopt;
    return buffer.substr(0, static_cast<std::size_t>(count));
}

class PolledSocketTest : public testing::Test {
  protected:
    void run(std::function<Task<void>()> test) { worker_.run_until_done(test()); }
    void SetUp() override { worker_.start("test"); }
    void TearDown() override {
        worker_.join();
        EXPECT_TRUE(bugs_.empty()) << bugs_.front();
    }

    // Reads until the end, and counts how often it was woken.
    struct Reader {
        std::string got;
        int waits = 0;
        bool ended = false;
    };
    static Task<void> read_all(PolledSocket& socket, Reader& reader, std::size_t room = 64) {
        while (!reader.ended) {
            if (auto bytes = read(socket, room)) {
                reader.got += *bytes;
                reader.ended = bytes->empty();
            } else {
                ++reader.waits;
                co_await socket.readable(soon());
                if (socket.has_timed_out()) break;
            }
        }
    }

    std::vector<std::string> bugs_;
    Worker worker_{[this](const std::string& what) { bugs_.push_back(what); }};
};

TEST_F(PolledSocketTest, reads_what_comes_and_the_end) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        Reader reader;
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        group.spawn(read_all(socket, reader));
        const auto pause = Waiter::make(worker_.executor());
        std::string sent;
        for (int i = 0; i < 20; ++i) {
            const std::string text(static_cast<std::size_t>(i * 13 % 200 + 1), static_cast<char>('a' + i));
            peer.send(text);
            sent += text;
            if (i % 3 == 0) co_await pause->wait(base::Deadline(base::SteadyTime()));  // others have their turn
        }
        peer.close();
        EXPECT_TRUE(co_await group.join(soon()));
        EXPECT_EQ(reader.got, sent);
        EXPECT_TRUE(reader.ended);
    });
}

TEST_F(PolledSocketTest, hears_of_bytes_that_came_before_the_wait) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        peer.send("early");
        co_await socket.readable(soon());
        EXPECT_FALSE(socket.has_timed_out());
        EXPECT_EQ(read(socket), "early");
        EXPECT_FALSE(socket.may_be_read());
    });
}

TEST_F(PolledSocketTest, sees_an_end_that_came_with_the_last_bytes) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        peer.send("bye");
        peer.shutdown();
        co_await socket.readable(soon());
        EXPECT_EQ(read(socket), "bye");
        co_await socket.readable(soon());  // one event told of both
        EXPECT_FALSE(socket.has_timed_out());
        EXPECT_EQ(read(socket), "");
    });
}

TEST_F(PolledSocketTest, gives_others_their_turn_where_more_is_there_than_is_read_at_once) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        peer.send(std::string(1000, 'x'));
        bool had_its_turn = false;
        boost::asio::post(worker_.executor(), [&] { had_its_turn = true; });
        for (int part = 0; part < 10; ++part) {  // the sockets of a batch go first
            co_await socket.readable(soon());
            EXPECT_EQ(read(socket, 10)->size(), 10u);
        }
        EXPECT_TRUE(had_its_turn);
        co_await socket.readable(base::Deadline(base::SteadyTime()));
        EXPECT_TRUE(socket.has_timed_out()) << "however much is there, the deadline holds";
    });
}

TEST_F(PolledSocketTest, ends_a_wait_at_its_deadline) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        const auto begin = std::chrono::steady_clock::now();
        co_await socket.readable(base::Deadline(begin + milliseconds(10)));
        EXPECT_TRUE(socket.has_timed_out());
        EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(10));
        peer.send("late");
        co_await socket.readable(soon());
        EXPECT_FALSE(socket.has_timed_out());
        EXPECT_EQ(read(socket), "late");
    });
}

TEST_F(PolledSocketTest, ends_a_wait_where_it_is_closed) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        TaskGroup group(worker_.executor(), [this](const std::string& what) { bugs_.push_back(what); });
        bool over = false;
        group.spawn([](PolledSocket& there, bool& ended) -> Task<void> {
            co_await there.readable(base::Deadline::never());
            ended = true;
        }(socket, over));
        socket.close();
        EXPECT_FALSE(over) << "not inside `close`";
        EXPECT_TRUE(co_await group.join(soon()));
        EXPECT_TRUE(over);
        co_await socket.readable(base::Deadline::never());  // returns
        co_await socket.writable(base::Deadline::never());
    });
}

TEST_F(PolledSocketTest, waits_for_room_to_write) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer peer(socket);
        const std::string block(65536, 'x');
        std::size_t sent = 0;
        const auto fill = [&] {
            for (ssize_t count; (count = ::send(socket.descriptor(), block.data(), block.size(), MSG_NOSIGNAL)) > 0;)
                sent += static_cast<std::size_t>(count);
            EXPECT_EQ(errno, EAGAIN);
        };
        fill();
        peer.send("not what it waits for");
        co_await socket.writable(base::Deadline::after(milliseconds(10)));
        EXPECT_TRUE(socket.has_timed_out());
        boost::asio::post(worker_.executor(), [&] { EXPECT_EQ(peer.receive_all().size(), sent); });
        co_await socket.writable(soon());
        EXPECT_FALSE(socket.has_timed_out());
        sent = 0;
        fill();
        EXPECT_GT(sent, 0u);
    });
}

// One handler tells many sockets; the task of the first destroys the others, and makes new ones in their place.
TEST_F(PolledSocketTest, forgets_sockets_that_go_while_events_are_told) {
    run([this]() -> Task<void> {
        std::vector<std::unique_ptr<PolledSocket>> sockets;
        std::vector<Peer> peers;
        for (int i = 0; i < 50; ++i) {
            sockets.push_back(std::make_unique<PolledSocket>(worker_.executor()));
            peers.emplace_back(*sockets.back());
        }
        for (Peer& peer : peers) peer.send("x");
        co_await sockets[7]->readable(soon());
        std::unique_ptr<PolledSocket> first = std::move(sockets[7]);
        sockets.clear();
        for (int i = 0; i < 50; ++i) {
            sockets.push_back(std::make_unique<PolledSocket>(worker_.executor()));
            peers.emplace_back(*sockets.back());
        }
        peers[60].send("z");
        co_await sockets[10]->readable(soon());
        EXPECT_EQ(read(*sockets[10]), "z");
        for (std::size_t i = 0; i < 50; ++i)
            if (i != 10) EXPECT_FALSE(sockets[i]->may_be_read()) << i;
    });
}

TEST_F(PolledSocketTest, takes_another_descriptor_in_the_place_of_its_own) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        Peer first(socket);
        first.close();
        co_await socket.readable(soon());
        EXPECT_EQ(read(socket), "");
        Peer second(socket);
        EXPECT_FALSE(socket.may_be_read()) << "the end was the other's";
        second.send("b");
        co_await socket.readable(soon());
        EXPECT_EQ(read(socket), "b");
        EXPECT_EQ(socket.open(::dup(STDERR_FILENO)) == 0, socket.is_open());
    });
}

TEST_F(PolledSocketTest, says_what_cannot_be_watched) {
    run([this]() -> Task<void> {
        PolledSocket socket(worker_.executor());
        char path[] = "/tmp/polled_socket_XXXXXX";
        const int file = ::mkstemp(path);
        ::unlink(path);
        EXPECT_EQ(socket.open(file), EPERM);
        EXPECT_FALSE(socket.is_open());
        co_return;
    });
}

TEST(PolledSocket, goes_with_its_event_loop) {
    auto socket = std::shared_ptr<PolledSocket>();
    bool destroyed = false;
    {
        Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
        worker.start("test");
        worker.run_until_done([](Worker& there, bool& gone) -> Task<void> {
            struct Says {
                bool& gone;
                ~Says() { gone = true; }
            };
            const auto held = std::make_shared<PolledSocket>(there.executor());
            there.tasks().spawn([](std::shared_ptr<PolledSocket> mine, bool& ended) -> Task<void> {
                const Says says(ended);
                const Peer peer(*mine);
                co_await mine->readable(base::Deadline::never());
                ADD_FAILURE();
            }(held, gone));
            co_return;
        }(worker, destroyed));
    }
    EXPECT_TRUE(destroyed);
}

}  // namespace
}  // namespace tertulia::async
