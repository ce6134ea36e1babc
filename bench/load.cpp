// A load generator: one thread, raw epoll, prints one JSON object.
//
//   closed loop (default)  C connections, each sends its next request when the answer to the last is whole
//   open loop (--rate R)   R requests a second whatever the server does; latency counts from the scheduled time, so a
//                          slow server cannot slow down the questions (no coordinated omission)
//   once (--once)          every connection asks once, and the run ends when all answers are whole: for thousands of
//                          slow streams, with --ramp, and with --resume to read some of the running turns again
//
// An answer counts only when it is whole: status 200 and, by kind, the member or the terminal event that ends it.

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http_answer.h"
#include "load_options.h"
#include "load_report.h"
#include "net.h"

namespace {

using namespace tertulia::bench;

struct Connection {
    Fd fd;
    AnswerReader reader;
    EventCounter events;
    std::string body;        // of an answer that is not a stream
    std::int64_t start = 0;  // when the request was sent, or should have been
    std::int64_t first = 0;  // when its answer's body began
    std::int64_t first_text = 0;
    std::uint64_t events_seen = 0;
    std::uint64_t goal = 0;  // of a resumed stream: the number of the event with which it has caught up
    std::uint64_t session = 0;
    std::uint32_t session_turns = 0;
    bool busy = false;
};

class Load {
  public:
    Load(const Options& options, const sockaddr_in& address, std::string_view host, std::string_view path)
        : options_(options),
          address_(address),
          host_(host),
          request_(options, host, path),
          terminal_(options.tertulia ? "event: turn.completed" : "data: [DONE]"),
          mark_(options.tertulia ? "\"conversation_length\"" : "\"choices\"") {
        connections_.resize(options.connections);
        for (std::uint32_t i = 0; i < options.connections; ++i) idle_.push_back(i);
    }

    void run() {
        report_.at_rest = Usage::now(options_);
        const std::int64_t start = now_ns();
        const auto after = [](double seconds) { return static_cast<std::int64_t>(seconds * 1e9); };
        const std::int64_t begin = start + after(options_.ramp + options_.warmup);
        const std::int64_t end = options_.requests > 0 ? start + after(600) : begin + after(options_.seconds);
        start_ = start;
        bool counting = false;
        for (;;) {
            const std::int64_t now = now_ns();
            if (!counting && now >= begin) {
                counting = true;
                counts_ = {};
                report_.begin = Usage::now(options_);
            }
            if (counting && (now >= end || (options_.requests > 0 && counts_.requests >= options_.requests))) break;
            std::int64_t next = start_due(now);
            next = next < 0 ? (counting ? end : begin) : std::min(next, counting ? end : begin);
            for (const auto& event : poller_.wait(next)) read_from(event.data.u32);
        }
        report_.end = Usage::now(options_);
        report_.counts = std::move(counts_);
        report_.late = waiting_.size();
        report_.running =
            static_cast<std::size_t>(std::ranges::count_if(connections_, [](const Connection& c) { return c.busy; }));
        if (options_.once) finish_all(now_ns() + after(300));
    }

    LoadReport& report() { return report_; }
    bool clean() const { return report_.totals.errors == 0 && report_.counts.requests + report_.counts.events > 0; }

  private:
    /// Waits for the answers that are still being given.
    void finish_all(std::int64_t deadline) {
        if (options_.resume > 0) resume_running();
        const auto is_busy = [](const Connection& connection) { return connection.busy; };
        while (std::ranges::any_of(connections_, is_busy) && now_ns() < deadline)
            for (const auto& event : poller_.wait(deadline)) read_from(event.data.u32);
        for (std::uint32_t i = 0; i < connections_.size(); ++i)
            if (connections_[i].busy) finish(i, false);
    }

    void resume_running() {
        const std::int64_t now = now_ns();
        std::vector<std::uint32_t> running;
        for (std::uint32_t i = 0; i < options_.connections; ++i)
            if (connections_[i].busy && connections_[i].events.number() > 1) running.push_back(i);
        const std::size_t count = std::min<std::size_t>(options_.resume, running.size());
        for (std::size_t i = 0; i < count; ++i) {
            const EventCounter& first = connections_[running[i * running.size() / count]].events;
            const std::uint64_t after = i % 2 == 0 ? 0 : first.number() / 2;
            std::string text = "GET /sessions/" + first.session() + "/turns/" + first.turn() +
                               "/events HTTP/1.1\r\nhost: " + host_ + "\r\n";
            if (after > 0) text += "last-event-id: " + first.turn() + ":" + std::to_string(after) + "\r\n";
            const std::uint64_t goal = first.number();
            connections_.emplace_back().goal = goal;
            ask(static_cast<std::uint32_t>(connections_.size() - 1), text + "\r\n", now, after);
        }
    }

    /// Starts every request that is due; says when the next one will be, or -1 when only answers can bring one.
    std::int64_t start_due(std::int64_t now) {
        if (options_.rate > 0) return start_scheduled(now);
        while (started_ < options_.connections) {
            const double part = static_cast<double>(started_) / options_.connections;
            const std::int64_t due = start_ + static_cast<std::int64_t>(options_.ramp * part * 1e9);
            if (due > now) return due;
            send_request(started_++, now);
        }
        return -1;
    }

    std::int64_t start_scheduled(std::int64_t now) {
        for (;;) {
            const std::int64_t due =
                start_ + static_cast<std::int64_t>(static_cast<double>(scheduled_) * 1e9 / options_.rate);
            if (due > now) return due;
            ++scheduled_;
            if (idle_.empty()) {
                waiting_.push_back(due);
            } else {
                const auto number = idle_.front();
                idle_.pop_front();
                send_request(number, due);
            }
        }
    }

    void send_request(std::uint32_t number, std::int64_t start) {
        auto& connection = connections_[number];
        if (connection.session_turns++ % options_.turns_per_session == 0) {
            connection.session = next_session_++;
            if (options_.sessions > 0) connection.session %= options_.sessions;
        }
        ask(number, request_.with_session(connection.session), start, 0);
    }

    /// `after`: the number of the event after which the answer begins.
    void ask(std::uint32_t number, std::string_view text, std::int64_t start, std::uint64_t after) {
        auto& connection = connections_[number];
        if (!connection.fd.open()) {
            connection.fd = connect_to(address_);
            poller_.add(connection.fd.get(), number);
        }
        connection.reader.begin();
        connection.body.clear();
        connection.events.begin(terminal_, after);
        connection.events_seen = 0;
        connection.start = start;
        connection.first = connection.first_text = 0;
        connection.busy = true;
        const auto count = ::send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        // A request of a few hundred bytes fits an empty socket's buffer, or the connection is gone.
        if (count != static_cast<ssize_t>(text.size())) finish(number, false);
    }

    void read_from(std::uint32_t number) {
        auto& connection = connections_[number];
        if (!connection.fd.open()) return;
        const auto count = ::recv(connection.fd.get(), scratch_, sizeof scratch_, 0);
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            if (connection.busy) return finish(number, false);
            connection.fd.reset();  // an idle connection was closed: the next request opens another
            return;
        }
        if (!connection.busy) return finish(number, false);
        const auto state = connection.reader.feed({scratch_, static_cast<std::size_t>(count)}, [&](auto piece) {
            counts_.body_bytes += piece.size();
            if (options_.stream) {
                connection.events.feed(piece);
            } else {
                connection.body.append(piece);
            }
        });
        if (connection.first == 0 && connection.reader.in_body()) connection.first = now_ns();
        if (options_.stream) count_events(connection);
        if (state == AnswerReader::State::malformed) return finish(number, false);
        if (state == AnswerReader::State::complete) finish(number, is_right(connection));
    }

    void count_events(Connection& connection) {
        const EventCounter& events = connection.events;
        counts_.events += events.events() - connection.events_seen;
        connection.events_seen = events.events();
        if (connection.first_text == 0 && events.has_text()) connection.first_text = now_ns();
        if (connection.goal > 0 && events.number() >= connection.goal) {
            connection.goal = 0;
            report_.totals.catching_up.add(now_ns() - connection.start);
        }
    }

    bool is_right(const Connection& connection) const {
        if (connection.reader.status() != 200) return false;
        if (options_.stream) return connection.events.finished() && connection.events.in_order();
        return connection.body.find(mark_) != std::string::npos;
    }

    void finish(std::uint32_t number, bool right) {
        auto& connection = connections_[number];
        const std::int64_t now = now_ns();
        connection.busy = false;
        if (right) {
            ++counts_.requests;
            ++(is_resumed(number) ? report_.totals.resumed_complete : report_.totals.complete);
            counts_.latency.add(now - connection.start);
            if (connection.first > connection.start) counts_.first.add(connection.first - connection.start);
            if (connection.first_text > connection.start)
                counts_.first_text.add(connection.first_text - connection.start);
            if (options_.sessions > 0)
                counts_.context_tokens += member_number(connection.body, "\"estimated_tokens\":");
        } else {
            report_error(connection);
            connection.fd.reset();
        }
        if (options_.once) return;
        if (options_.rate <= 0) return send_request(number, now);
        if (waiting_.empty()) return idle_.push_back(number);
        const std::int64_t due = waiting_.front();
        waiting_.pop_front();
        send_request(number, due);
    }

    bool is_resumed(std::uint32_t number) const { return number >= options_.connections; }

    static std::uint64_t member_number(std::string_view body, std::string_view name) {
        const auto at = body.find(name);
        std::uint64_t value = 0;
        if (at != std::string_view::npos)
            std::from_chars(body.data() + at + name.size(), body.data() + body.size(), value);
        return value;
    }

    void report_error(const Connection& connection) {
        if (++report_.totals.errors == 1)
            std::fprintf(stderr, "load: status %d, %llu events, body: %.300s\n", connection.reader.status(),
                         static_cast<unsigned long long>(connection.events.events()), connection.body.c_str());
        if (report_.totals.errors > 1000) fail("load: too many errors");
    }

    Options options_;
    sockaddr_in address_;
    std::string host_;
    RequestText request_;
    std::string_view terminal_;
    std::string_view mark_;
    Poller poller_;
    std::vector<Connection> connections_;
    std::deque<std::uint32_t> idle_;    // open loop: connections without a request, longest idle first
    std::deque<std::int64_t> waiting_;  // open loop: scheduled times that found no idle connection
    std::uint32_t started_ = 0;
    std::uint64_t scheduled_ = 0;
    std::uint64_t next_session_ = 0;
    std::int64_t start_ = 0;
    Counts counts_;
    LoadReport report_;
    char scratch_[256 * 1024];
};

}  // namespace

int main(int argc, char** argv) {
    const Options options = parse_options(argc, argv);
    constexpr std::string_view scheme = "http://";
    std::string_view host = options.url;
    if (!host.starts_with(scheme)) {
        std::fputs(usage_text, stderr);
        return 2;
    }
    host.remove_prefix(scheme.size());
    const auto slash = std::min(host.find('/'), host.size());
    const std::string path = slash < host.size() ? std::string(host.substr(slash)) : "/";
    host = host.substr(0, slash);

    raise_file_limit();
    use_exact_timers();
    const auto load = std::make_unique<Load>(options, parse_address(host), host, path);
    load->run();
    load->report().print();
    return load->clean() ? 0 : 1;
}
