// An upstream that is never the bottleneck: OpenAI Chat Completions with answers rendered once, one thread, raw epoll.
//
// The request's model says what the answer is like:
//   json            a whole answer of 977 bytes
//   burst-N         with "stream": true, N events of 165 bytes in one write
//   paced-N-MS      with "stream": true, N events, one every MS milliseconds
//   paced-N-MS-T    the same, and T milliseconds pass before the first
// A request with "stream": true and any other model is answered with burst-100, one without it with the whole answer,
// as a real server would. What stands before a slash in the model is ignored.

#include <algorithm>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "net.h"

namespace {

using namespace tertulia::bench;

/// A rendered HTTP response and the places up to which it may be sent, one after the other, `gap_ns` apart.
struct Answer {
    std::string bytes;
    std::vector<std::size_t> marks;
    std::int64_t gap_ns = 0;
    std::int64_t first_ns = 0;  // between the first two marks; 0: gap_ns
    std::int64_t wait_after(std::size_t mark) const { return mark == 0 && first_ns > 0 ? first_ns : gap_ns; }
};

std::string filler(std::size_t size) {
    static constexpr std::string_view words = "the quick brown fox jumps over the lazy dog and then goes home ";
    std::string text;
    while (text.size() < size) text += words;
    text.resize(size);
    return text;
}

/// `before` + filler + `after`, `size` bytes together.
std::string padded(std::string_view before, std::string_view after, std::size_t size) {
    const std::size_t rest = std::max(size, before.size() + after.size() + 1) - before.size() - after.size();
    return std::string(before) + filler(rest) + std::string(after);
}

Answer whole_answer(std::string_view status, const std::string& body) {
    Answer answer;
    answer.bytes = "HTTP/1.1 " + std::string(status) +
                   "\r\ncontent-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" +
                   body;
    answer.marks = {answer.bytes.size()};
    return answer;
}

Answer json_answer() {
    return whole_answer(
        "200 OK", padded(R"({"id":"chatcmpl-bench","object":"chat.completion","created":1732270000,"model":"mock",)"
                         R"("choices":[{"index":0,"message":{"role":"assistant","content":")",
                         R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":150,)"
                         R"("total_tokens":270}})",
                         977));
}

void append_chunk(std::string& out, std::string_view data) {
    char size[16];
    const int length = std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    out.append(size, static_cast<std::size_t>(length)).append(data).append("\r\n");
}

/// Each event is an HTTP chunk of its own, as real model servers send them.
Answer stream_answer(std::size_t events, std::int64_t gap_ns, std::int64_t first_ns = 0) {
    static constexpr std::string_view before =
        R"(data: {"id":"c-1","object":"chat.completion.chunk","created":1732270000,"model":"mock",)"
        R"("choices":[{"index":0,"delta":)";
    static constexpr std::string_view after = "}]}\n\n";
    const auto event = [](std::string_view delta) { return std::string(before) + std::string(delta); };

    Answer answer;
    answer.gap_ns = gap_ns;
    answer.bytes =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
        "transfer-encoding: chunked\r\n\r\n";
    append_chunk(answer.bytes, event(R"({"role":"assistant","content":""},"finish_reason":null)") + std::string(after));
    for (std::size_t i = 0; i < events; ++i) {
        append_chunk(answer.bytes,
                     padded(event(R"({"content":")"), R"("},"finish_reason":null)" + std::string(after), 165));
        answer.marks.push_back(answer.bytes.size());
    }
    append_chunk(answer.bytes, event(R"({},"finish_reason":"stop")") + std::string(after));
    append_chunk(answer.bytes, R"(data: {"id":"c-1","object":"chat.completion.chunk","created":1732270000,)"
                               R"("model":"mock","choices":[],"usage":{"prompt_tokens":120,"completion_tokens":)" +
                                   std::to_string(events) + R"(,"total_tokens":)" + std::to_string(120 + events) +
                                   "}}\n\n");
    append_chunk(answer.bytes, "data: [DONE]\n\n");
    answer.bytes += "0\r\n\r\n";
    if (answer.marks.empty() || gap_ns == 0) answer.marks.assign(1, answer.bytes.size());
    answer.marks.back() = answer.bytes.size();
    answer.first_ns = first_ns;
    if (first_ns > 0) answer.marks.insert(answer.marks.begin(), 0);
    return answer;
}

/// The value that follows `"name":`, as it stands; empty when there is none. Good enough for the bodies that a bench
/// sends: inside a string the quotes would be escaped and not match.
std::string_view member(std::string_view body, std::string_view quoted_name) {
    const auto at = body.find(quoted_name);
    if (at == std::string_view::npos) return {};
    body.remove_prefix(at + quoted_name.size());
    const auto start = body.find_first_not_of(" \t\r\n:");
    if (start == std::string_view::npos) return {};
    body.remove_prefix(start);
    if (body.starts_with('"')) return body.substr(1, body.find('"', 1) - 1);
    return body.substr(0, body.find_first_of(",}\r\n "));
}

class Answers {
  public:
    const Answer& find(std::string_view path, std::string_view body) {
        if (!path.ends_with("/chat/completions")) return path.ends_with("/models") ? models_ : not_found_;
        if (member(body, "\"stream\"") != "true") return json_;
        auto model = member(body, "\"model\"");
        model.remove_prefix(model.rfind('/') + 1);
        auto& answer = streams_[std::string(model)];
        if (!answer) answer = std::make_unique<Answer>(make_stream(model));
        return *answer;
    }

  private:
    static Answer make_stream(std::string_view model) {
        if (model.starts_with("burst-")) return stream_answer(parse_number<std::size_t>(model.substr(6), "model"), 0);
        if (!model.starts_with("paced-")) return stream_answer(100, 0);
        const auto dash = model.find('-', 6);
        if (dash == std::string_view::npos) return stream_answer(100, 0);
        const auto second = std::min(model.find('-', dash + 1), model.size());
        const auto ms = [](std::string_view text) {
            return text.empty() ? 0 : parse_number<std::int64_t>(text, "model") * 1'000'000;
        };
        return stream_answer(parse_number<std::size_t>(model.substr(6, dash - 6), "model"),
                             ms(model.substr(dash + 1, second - dash - 1)),
                             ms(model.substr(std::min(second + 1, model.size()))));
    }

    Answer json_ = json_answer();
    Answer models_ = whole_answer("200 OK", R"({"object":"list","data":[{"id":"json","object":"model"}]})");
    Answer not_found_ = whole_answer("404 Not Found", R"({"error":{"message":"no such path"}})");
    std::unordered_map<std::string, std::unique_ptr<Answer>> streams_;
};

struct Connection {
    Fd fd;
    std::string input;               // what came of requests not yet answered
    const Answer* answer = nullptr;  // being sent; nothing is read from `input` meanwhile
    std::size_t mark = 0;            // answer->marks[mark] is how far it may be sent now
    std::size_t sent = 0;
    std::uint64_t turn = 0;  // tells a timer of an earlier answer from one of this
    bool wants_write = false;
};

struct Due {
    std::int64_t at;
    int fd;
    std::uint64_t turn;
    bool operator>(const Due& other) const { return at > other.at; }
};

class Server {
  public:
    explicit Server(const sockaddr_in& address) : listener_(listen_on(address)) {
        poller_.add(listener_.get(), token(listener_.get()));
    }

    std::uint16_t port() const { return local_port(listener_.get()); }

    [[noreturn]] void run() {
        for (;;) {
            for (const auto& event : poller_.wait(due_.empty() ? -1 : due_.top().at)) {
                const int fd = static_cast<int>(event.data.u32);
                if (fd == listener_.get())
                    accept_all();
                else if ((event.events & EPOLLOUT) != 0)
                    proceed(fd);
                else
                    read_from(fd);
            }
            send_due();
        }
    }

  private:
    static std::uint32_t token(int fd) { return static_cast<std::uint32_t>(fd); }
    Connection& at(int fd) { return *connections_[static_cast<std::size_t>(fd)]; }
    void close(int fd) { connections_[static_cast<std::size_t>(fd)].reset(); }

    void accept_all() {
        for (;;) {
            Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (!fd.open()) return;
            set_no_delay(fd.get());
            const int number = fd.get();
            if (connections_.size() <= static_cast<std::size_t>(number))
                connections_.resize(static_cast<std::size_t>(number) * 2 + 1);
            auto connection = std::make_unique<Connection>();
            connection->fd = std::move(fd);
            connection->turn = ++turns_;
            connections_[static_cast<std::size_t>(number)] = std::move(connection);
            poller_.add(number, token(number));
        }
    }

    void read_from(int fd) {
        if (!connections_[static_cast<std::size_t>(fd)]) return;  // closed earlier in this round
        const auto count = ::recv(fd, scratch_, sizeof scratch_, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) return close(fd);
        at(fd).input.append(scratch_, static_cast<std::size_t>(count));
        proceed(fd);
    }

    /// Sends what may be sent, and begins the next answer when one is asked for.
    void proceed(int fd) {
        if (!connections_[static_cast<std::size_t>(fd)]) return;
        auto& connection = at(fd);
        for (;;) {
            if (connection.answer == nullptr && !begin(connection)) return;
            if (!flush(connection)) return;
            if (connection.sent < connection.answer->bytes.size()) return;  // the rest is due later
            connection.answer = nullptr;
        }
    }

    /// Takes a whole request from the input and looks up its answer. False: there is none yet.
    bool begin(Connection& connection) {
        const std::string_view input = connection.input;
        const auto head_end = input.find("\r\n\r\n");
        if (head_end == std::string_view::npos) return false;
        const auto head = input.substr(0, head_end);
        const std::size_t total = head_end + 4 + content_length(head);
        if (input.size() < total) return false;
        const auto space = head.find(' ');
        const auto path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
        connection.answer = &answers_.find(path, input.substr(head_end + 4, total - head_end - 4));
        connection.input.erase(0, total);
        connection.sent = 0;
        connection.mark = 0;
        connection.turn = ++turns_;
        if (connection.answer->marks.size() > 1)
            due_.push({now_ns() + connection.answer->wait_after(0), connection.fd.get(), connection.turn});
        return true;
    }

    static std::size_t content_length(std::string_view head) {
        static constexpr std::string_view name = "content-length:";
        for (auto at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at)) {
            at += 2;
            if (head.size() - at <= name.size() || ::strncasecmp(head.data() + at, name.data(), name.size()) != 0)
                continue;
            auto value = head.substr(at + name.size());
            value = value.substr(0, value.find('\r'));
            value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
            return parse_number<std::size_t>(value, "content-length");
        }
        return 0;
    }

    /// False: the socket is full (goes on when it is writable) or gone.
    bool flush(Connection& connection) {
        const int fd = connection.fd.get();
        const std::size_t end = connection.answer->marks[connection.mark];
        while (connection.sent < end) {
            const auto count =
                ::send(fd, connection.answer->bytes.data() + connection.sent, end - connection.sent, MSG_NOSIGNAL);
            if (count < 0 && errno == EAGAIN) {
                if (!std::exchange(connection.wants_write, true)) poller_.change(fd, token(fd), EPOLLIN | EPOLLOUT);
                return false;
            }
            if (count < 0) {
                close(fd);
                return false;
            }
            connection.sent += static_cast<std::size_t>(count);
        }
        if (std::exchange(connection.wants_write, false)) poller_.change(fd, token(fd), EPOLLIN);
        return true;
    }

    void send_due() {
        if (due_.empty()) return;
        const std::int64_t now = now_ns();
        while (!due_.empty() && due_.top().at <= now) {
            const Due due = due_.top();
            due_.pop();
            auto& connection = connections_[static_cast<std::size_t>(due.fd)];
            if (!connection || connection->turn != due.turn) continue;
            if (++connection->mark + 1 < connection->answer->marks.size())
                due_.push({due.at + connection->answer->wait_after(connection->mark), due.fd, due.turn});
            proceed(due.fd);
        }
    }

    Fd listener_;
    Poller poller_;
    Answers answers_;
    std::vector<std::unique_ptr<Connection>> connections_;  // by descriptor
    std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
    std::uint64_t turns_ = 0;
    char scratch_[64 * 1024];
};

}  // namespace

int main(int argc, char** argv) {
    std::string listen = "127.0.0.1:0";
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--listen" && i + 1 < argc) {
            listen = argv[++i];
        } else {
            std::fprintf(stderr, "usage: mock_upstream [--listen 127.0.0.1:PORT]\n");
            return option == "--help" ? 0 : 2;
        }
    }
    raise_file_limit();
    use_exact_timers();
    const auto server = std::make_unique<Server>(parse_address(listen));
    std::printf("listening on http://127.0.0.1:%u\n", static_cast<unsigned>(server->port()));
    std::fflush(stdout);
    server->run();
}
