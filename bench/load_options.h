#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "net.h"

/// What the load generator is asked to do, and the request that it sends.
namespace tertulia::bench {

struct Options {
    std::string url;
    bool tertulia = false;  // else OpenAI Chat Completions
    bool stream = false;
    std::string model = "json";
    std::size_t body_bytes = 506;
    std::uint32_t connections = 1;
    double rate = 0;                      // requests a second; 0: closed loop
    double ramp = 0;                      // seconds over which the connections are opened
    double warmup = 0.5;                  // seconds, not counted
    double seconds = 2;                   // seconds, counted
    std::uint64_t requests = 0;           // > 0: counts this many requests instead of a time
    std::uint32_t turns_per_session = 1;  // 1: no session id is sent, every request begins a session
    std::string session_prefix = "bench";
    std::uint32_t sessions = 0;  // > 0: this many sessions, in turn, instead of ever new ones
    bool once = false;           // one request for each connection; the run ends when all answers are whole
    std::uint32_t resume = 0;    // after the counted time, so many of the running streams are read again
    int server_pid = 0;
    int upstream_pid = 0;
};

/// The bytes of a request; the session's number is written into its place.
class RequestText {
  public:
    RequestText(const Options& options, std::string_view host, std::string_view path) {
        const bool with_session = options.tertulia && (options.turns_per_session > 1 || options.sessions > 0);
        std::string start = "{\"model\":\"" + options.model + "\"";
        if (options.stream) start += ",\"stream\":true";
        if (with_session)
            start += ",\"session_id\":\"" + options.session_prefix + "-" + std::string(digits, '0') + "\"";
        const std::size_t session_end = start.size() - 1;
        start += options.tertulia ? ",\"message\":\"" : ",\"messages\":[{\"role\":\"user\",\"content\":\"";
        const std::string end = options.tertulia ? "\"}" : "\"}]}";
        std::string body = start;
        while (body.size() + end.size() < options.body_bytes) body += "What is machine learning? "[body.size() % 26];
        body += end;
        bytes_ = "POST " + std::string(path) + " HTTP/1.1\r\nhost: " + std::string(host) +
                 "\r\ncontent-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n";
        if (with_session) session_at_ = bytes_.size() + session_end - digits;
        bytes_ += body;
    }

    std::string_view with_session(std::uint64_t number) {
        if (session_at_ != 0) {
            for (std::size_t i = digits; i-- > 0; number /= 10)
                bytes_[session_at_ + i] = static_cast<char>('0' + number % 10);
        }
        return bytes_;
    }

  private:
    static constexpr std::size_t digits = 9;
    std::string bytes_;
    std::size_t session_at_ = 0;
};

inline constexpr const char* usage_text = R"(usage: bench_load --url http://127.0.0.1:PORT/PATH [options]
  --kind openai|tertulia   what is sent and what ends an answer (openai)
  --model M                the request's model (json)
  --stream                 ask for SSE
  --body BYTES             size of the request's body (506)
  --connections C          (1)
  --rate R                 open loop, R requests a second
  --ramp S                 seconds over which connections are opened (0)
  --warmup S, --seconds S  not counted (0.5), counted (2)
  --requests N             count N requests instead of a time
  --turns-per-session N    then begin a new session (1)
  --sessions N             N sessions in turn instead of ever new ones
  --session-prefix P       (bench)
  --once                   one request for each connection; ends when all answers are whole
  --resume N               with --once: after the counted time N of the running turns are read again, all at once, by
                           connections of their own: every other one from its first event, the rest from its middle
  --server-pid PID         measure this process's CPU time and memory
  --upstream-pid PID       measure this one's CPU time
)";

inline Options parse_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--stream" || name == "--once") {
            (name == "--once" ? options.once : options.stream) = true;
            continue;
        }
        if (i + 1 >= argc) {
            std::fputs(usage_text, stderr);
            std::exit(2);
        }
        const std::string_view value = argv[++i];
        const auto number = [&]<class Number>(Number& to) { to = parse_number<Number>(value, name); };
        if (name == "--url")
            options.url = value;
        else if (name == "--kind")
            options.tertulia = value == "tertulia";
        else if (name == "--model")
            options.model = value;
        else if (name == "--body")
            number(options.body_bytes);
        else if (name == "--connections")
            number(options.connections);
        else if (name == "--rate")
            number(options.rate);
        else if (name == "--ramp")
            number(options.ramp);
        else if (name == "--warmup")
            number(options.warmup);
        else if (name == "--seconds")
            number(options.seconds);
        else if (name == "--requests")
            number(options.requests);
        else if (name == "--turns-per-session")
            number(options.turns_per_session);
        else if (name == "--sessions")
            number(options.sessions);
        else if (name == "--resume")
            number(options.resume);
        else if (name == "--session-prefix")
            options.session_prefix = value;
        else if (name == "--server-pid")
            number(options.server_pid);
        else if (name == "--upstream-pid")
            number(options.upstream_pid);
        else {
            std::fputs(usage_text, stderr);
            std::exit(2);
        }
    }
    return options;
}

}  // namespace tertulia::bench
