// A client that sends anything whatever to a WebSocket: the server neither breaks nor hangs, hears the same messages
// and the same end however the bytes are cut, and itself sends only what the protocol allows.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tertulia/async/task_group.h"
#include "tertulia/base/utf8.h"
#include "tertulia/http/connection.h"
#include "tertulia/http/websocket.h"

namespace {

using namespace tertulia;

constexpr std::string_view request =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
constexpr std::size_t message_limit = 3000;

void require(bool condition) {
    if (!condition) std::abort();
}

struct Fixture {
    Fixture() : tasks(context.get_executor(), [](const std::string&) { std::abort(); }) {
        router.add("GET", "/", [this](http::Request& asked, http::ResponseWriter& writer) -> async::Task<void> {
            auto socket = co_await http::accept_websocket(
                asked, writer, {.message_limit = message_limit, .close_limit = base::Milliseconds(1)});
            require(socket.has_value());
            for (int left = messages; left > 0; --left) {
                auto message = co_await (*socket)->read(base::Deadline::never());
                if (!message) {
                    const http::Closed& closed = message.error();
                    heard += "end " + std::to_string(static_cast<int>(closed.code)) + (closed.by_client ? "c" : "s") +
                             closed.reason;
                    co_return;
                }
                require(message->size() <= message_limit);
                require(base::find_invalid_utf8(*message) == std::string_view::npos);
                heard += std::to_string(message->size()) + ":" + *message;
                co_await (*socket)->write(*message);
            }
            heard += "left";  // and what the client goes on sending meets a closing socket
        });
        http::ServerOptions options;
        options.on_error = [](const base::Error&, const http::Request*) -> http::Response { std::abort(); };
        core = std::make_shared<http::ServerCore>(context.get_executor(), tasks, router, std::move(options));
    }

    boost::asio::io_context context{1};
    async::TaskGroup tasks;
    http::Router router;
    std::shared_ptr<http::ServerCore> core;
    int messages = 0;  // that the handler waits for
    std::string heard;
};

// Only whole frames, of which the last may be a close; returns at the first that is cut off.
void check_answer(std::string_view bytes) {
    const std::size_t head = bytes.find("\r\n\r\n");
    require(bytes.starts_with("HTTP/1.1 101 ") && head != std::string_view::npos);
    bytes.remove_prefix(head + 4);
    bool closed = false;
    while (bytes.size() >= 2) {
        require(!closed);
        const int first = static_cast<unsigned char>(bytes[0]), second = static_cast<unsigned char>(bytes[1]);
        const int opcode = first & 15;
        require((first & 0xf0) == 0x80 && (opcode == 1 || (opcode >= 8 && opcode <= 10)) && second <= 126);
        std::size_t size = static_cast<std::size_t>(second), skip = 2;
        if (size == 126) {
            require(opcode == 1);
            if (bytes.size() < 4) return;
            size = static_cast<unsigned char>(bytes[2]) * 256u + static_cast<unsigned char>(bytes[3]);
            skip = 4;
        }
        if (bytes.size() < skip + size) return;
        const std::string_view payload = bytes.substr(skip, size);
        if (opcode == 1) require(base::find_invalid_utf8(payload) == std::string_view::npos);
        if (opcode == 8) {
            require(size != 1);
            if (size > 2) require(base::find_invalid_utf8(payload.substr(2)) == std::string_view::npos);
            closed = true;
        }
        bytes.remove_prefix(skip + size);
    }
    require(bytes.empty());
}

std::string talk(Fixture& fixture, std::string_view bytes, std::size_t step) {
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    http::Socket socket(fixture.context);
    socket.assign(http::Tcp::v4(), ends[0]);
    fixture.heard.clear();
    fixture.tasks.spawn(
        http::Connection::run(std::make_shared<http::Connection>(fixture.core, std::move(socket)), false));

    std::string answer;
    std::array<char, 4096> buffer;
    const auto let_it_work = [&](bool wait = false) {
        std::size_t done = 0;
        fixture.context.restart();
        done += wait ? fixture.context.run_for(std::chrono::milliseconds(5)) : fixture.context.poll();
        for (ssize_t count; (count = ::recv(ends[1], buffer.data(), buffer.size(), 0)) > 0; ++done)
            answer.append(buffer.data(), static_cast<std::size_t>(count));
        return done > 0;
    };
    const std::string all = std::string(request) + std::string(bytes);
    for (std::string_view rest = all; !rest.empty();) {
        const std::size_t piece = rest.size() == all.size() ? request.size() + step : step;
        const ssize_t count = ::send(ends[1], rest.data(), std::min(piece, rest.size()), MSG_NOSIGNAL);
        if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
        if (count < 0 && errno != EAGAIN) break;  // the server has had enough
        let_it_work();
    }
    ::shutdown(ends[1], SHUT_WR);
    for (int idle = 0; fixture.tasks.size() > 0;) {
        idle = let_it_work(idle > 0) ? 0 : idle + 1;
        require(idle < 1000);  // it hangs: with its client gone, there is little left to wait for
    }
    let_it_work();
    ::close(ends[1]);
    require(!fixture.heard.empty());
    check_answer(answer);
    return fixture.heard;
}

// Well-formed frames made of the input: first byte, length, payload, and so on.
std::string make_frames(std::string_view recipe) {
    std::string out;
    while (recipe.size() >= 2) {
        const auto length = static_cast<unsigned char>(recipe[1]);
        const std::size_t size = std::min<std::size_t>(length >= 126 ? length * 10u : length, recipe.size() - 2);
        out += recipe[0];
        if (size < 126) {
            out += static_cast<char>(0x80 | size);
        } else {
            out += static_cast<char>(0x80 | 126);
            out += static_cast<char>(size >> 8);
            out += static_cast<char>(size);
        }
        out.append(4, '\0');  // a mask that changes nothing
        out += recipe.substr(2, size);
        recipe.remove_prefix(2 + size);
    }
    return out + std::string(recipe);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Fixture& fixture = *new Fixture;
    if (size < 1) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string bytes = data[0] % 2 == 0 ? std::string(input) : make_frames(input);
    const std::size_t step = data[0] / 2 % 16 + 1;
    fixture.messages = data[0] < 128 ? 1000 : data[0] / 32 % 4;
    require(talk(fixture, bytes, bytes.size()) == talk(fixture, bytes, step));
    return 0;
}
