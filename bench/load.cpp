// A load generator: one thread, raw epoll, prints one JSON object.
//
//   closed loop (default)  C connections, each sends its next request when the answer to the last is whole
//   open loop (--rate R)   R requests a second whatever the server does; latency counts from the scheduled time, so a
//                          slow server cannot slow down the questions (no coordinated omission)
//   slow streams           closed loop with a paced model, thousands of connections and --ramp
//
// An answer counts only when it is whole: status 200 and, by kind, the member or the terminal event that ends it.

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "http_answer.h"
#include "load_options.h"
#include "net.h"
#include "process_usage.h"

namespace {

using namespace tertulia::bench;

struct Connection {
    Fd fd;
    AnswerReader reader;
    EventCounter events;
    std::string body;        // of an answer that is not a stream
    std::int64_t start = 0;  // when the request was sent, or should have been
    std::int64_t first = 0;  // when its answer's body began
    std::uint64_t events_seen = 0;
    std::uint64_t session = 0;
    std::uint32_t session_turns = 0;
    bool busy = false;
};

struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t events = 0;
    std::uint64_t errors = 0;
    std::uint64_t body_bytes = 0;
    std::uint64_t context_tokens = 0;         // sum of the answers' estimated_tokens
    std::vector<std::uint32_t> latency_us10;  // tenths of a microsecond
    std::vector<std::uint32_t> first_us10;
};

struct Usage {
    std::int64_t time = 0, server_cpu = 0, upstream_cpu = 0, own_cpu = 0, rss_kb = 0, anon_kb = 0, pss_kb = 0;
};

class Load {
  public:
    Load(const Options& options, const sockaddr_in& address, std::string_view host, std::string_view path)
        : options_(options),
          address_(address),
          request_(options, host, path),
          terminal_(options.tertulia ? "event: turn.completed" : "data: [DONE]"),
          mark_(options.tertulia ? "\"conversation_length\"" : "\"choices\"") {
        connections_.resize(options.connections);
        for (std::uint32_t i = 0; i < options.connections; ++i) idle_.push_back(i);
    }

    void run() {
        at_rest_ = usage();
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
                begin_ = usage();
            }
            if (counting && (now >= end || (options_.requests > 0 && counts_.requests >= options_.requests))) break;
            std::int64_t next = start_due(now);
            next = next < 0 ? (counting ? end : begin) : std::min(next, counting ? end : begin);
            for (const auto& event : poller_.wait(next)) read_from(event.data.u32);
        }
        end_ = usage();
    }

    void print() const {
        const double seconds = static_cast<double>(end_.time - begin_.time) / 1e9;
        const auto share = [&](std::int64_t Usage::* cpu) {
            return static_cast<double>(end_.*cpu - begin_.*cpu) / 1e9 / seconds;
        };
        const auto per = [](double value, std::uint64_t count) {
            return count > 0 ? value / static_cast<double>(count) : 0.0;
        };
        const double server_us = static_cast<double>(end_.server_cpu - begin_.server_cpu) / 1e3;
        std::printf(
            "{\"seconds\":%.3f,\"requests\":%llu,\"per_second\":%.1f,\"events\":%llu,\"events_per_second\":%.1f,"
            "\"errors\":%llu,\"late\":%zu",
            seconds, as_ull(counts_.requests), static_cast<double>(counts_.requests) / seconds, as_ull(counts_.events),
            static_cast<double>(counts_.events) / seconds, as_ull(counts_.errors), waiting_.size());
        print_quantiles("", counts_.latency_us10);
        print_quantiles("first_", counts_.first_us10);
        std::printf(
            ",\"server_cpu_us_per_request\":%.2f,\"server_cpu_us_per_event\":%.2f,\"server_cpu\":%.3f,"
            "\"upstream_cpu\":%.3f,\"load_cpu\":%.3f",
            per(server_us, counts_.requests), per(server_us, counts_.events), share(&Usage::server_cpu),
            share(&Usage::upstream_cpu), share(&Usage::own_cpu));
        std::printf(",\"rss_kb\":%lld,\"rss_growth_kb\":%lld,\"anon_growth_kb\":%lld,\"pss_growth_kb\":%lld",
                    as_ll(end_.rss_kb), as_ll(end_.rss_kb - at_rest_.rss_kb), as_ll(end_.anon_kb - at_rest_.anon_kb),
                    as_ll(end_.pss_kb - at_rest_.pss_kb));
        std::printf(",\"open\":%zu,\"body_bytes\":%.1f,\"context_tokens\":%.1f}\n", open_connections(),
                    per(static_cast<double>(counts_.body_bytes), counts_.requests),
                    per(static_cast<double>(counts_.context_tokens), counts_.requests));
    }

    bool clean() const { return counts_.errors == 0 && counts_.requests + counts_.events > 0; }

  private:
    static unsigned long long as_ull(std::uint64_t value) { return value; }
    static long long as_ll(std::int64_t value) { return value; }

    static void print_quantiles(const char* prefix, std::vector<std::uint32_t> values) {
        std::ranges::sort(values);
        const auto at = [&](double q) {
            if (values.empty()) return 0.0;
            const auto index = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
            return static_cast<double>(values[index]) / 10;
        };
        std::printf(",\"%sp50_us\":%.1f,\"%sp99_us\":%.1f", prefix, at(0.5), prefix, at(0.99));
    }

    std::size_t open_connections() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(connections_, [](const Connection& c) { return c.fd.open(); }));
    }

    Usage usage() const {
        Usage usage;
        timespec own{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
        usage.own_cpu = std::int64_t{own.tv_sec} * 1'000'000'000 + own.tv_nsec;
        if (options_.upstream_pid != 0) usage.upstream_cpu = cpu_ns(options_.upstream_pid);
        if (options_.server_pid != 0) {
            usage.rss_kb = memory_kb(options_.server_pid, "status", "VmRSS:");
            usage.anon_kb = memory_kb(options_.server_pid, "status", "RssAnon:");
            usage.pss_kb = memory_kb(options_.server_pid, "smaps_rollup", "Pss:");
            usage.server_cpu = cpu_ns(options_.server_pid);
        }
        usage.time = now_ns();
        return usage;
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
        if (!connection.fd.open()) {
            connection.fd = connect_to(address_);
            poller_.add(connection.fd.get(), number);
        }
        connection.reader.begin();
        connection.body.clear();
        connection.events.begin(terminal_);
        connection.events_seen = 0;
        connection.start = start;
        connection.first = 0;
        connection.busy = true;
        if (connection.session_turns++ % options_.turns_per_session == 0) {
            connection.session = next_session_++;
            if (options_.sessions > 0) connection.session %= options_.sessions;
        }
        const auto text = request_.with_session(connection.session);
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
        if (options_.stream) {
            counts_.events += connection.events.events() - connection.events_seen;
            connection.events_seen = connection.events.events();
        }
        if (state == AnswerReader::State::malformed) return finish(number, false);
        if (state == AnswerReader::State::complete) finish(number, is_right(connection));
    }

    bool is_right(const Connection& connection) const {
        return connection.reader.status() == 200 &&
               (options_.stream ? connection.events.finished() : connection.body.find(mark_) != std::string::npos);
    }

    void finish(std::uint32_t number, bool right) {
        auto& connection = connections_[number];
        const std::int64_t now = now_ns();
        connection.busy = false;
        if (right) {
            ++counts_.requests;
            counts_.latency_us10.push_back(static_cast<std::uint32_t>((now - connection.start) / 100));
            if (connection.first > connection.start)
                counts_.first_us10.push_back(static_cast<std::uint32_t>((connection.first - connection.start) / 100));
            if (options_.sessions > 0)
                counts_.context_tokens += member_number(connection.body, "\"estimated_tokens\":");
        } else {
            report_error(connection);
            connection.fd.reset();
        }
        if (options_.rate <= 0) return send_request(number, now);
        if (waiting_.empty()) return idle_.push_back(number);
        const std::int64_t due = waiting_.front();
        waiting_.pop_front();
        send_request(number, due);
    }

    static std::uint64_t member_number(std::string_view body, std::string_view name) {
        const auto at = body.find(name);
        std::uint64_t value = 0;
        if (at != std::string_view::npos)
            std::from_chars(body.data() + at + name.size(), body.data() + body.size(), value);
        return value;
    }

    void report_error(const Connection& connection) {
        ++counts_.errors;
        if (++errors_ == 1)
            std::fprintf(stderr, "load: status %d, %llu events, body: %.300s\n", connection.reader.status(),
                         as_ull(connection.events.events()), connection.body.c_str());
        if (errors_ > 1000) fail("load: too many errors");
    }

    Options options_;
    sockaddr_in address_;
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
    std::uint64_t errors_ = 0;
    std::int64_t start_ = 0;
    Counts counts_;
    Usage at_rest_, begin_, end_;
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
    load->print();
    return load->clean() ? 0 : 1;
}
