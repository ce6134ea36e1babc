// The listening side: accepts connections and serves requests to the router.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "tertulia/async/task_group.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/base/random.h"
#include "tertulia/http/body_gate.h"
#include "tertulia/http/message.h"
#include "tertulia/http/router.h"

namespace tertulia::http {

/// What became of a request. Value.
struct Answered {
    int status = 0;
    std::uint64_t body_bytes = 0;          ///< of the answer
    std::chrono::microseconds duration{};  ///< from the request's first byte to the answer's last
    bool complete = false;                 ///< the whole answer was taken by the kernel
};

/// Value.
struct ServerOptions {
    std::size_t body_limit = std::size_t(1) << 20;  ///< bytes; more is 413 (see also `gate_body`)
    std::size_t max_connections = 20'000;           ///< more are answered 503 and closed
    base::Milliseconds head_limit{10'000};          ///< from the head's first byte to its last
    base::Milliseconds body_time_limit{30'000};  ///< from the head's last byte to the body's; for each body_limit bytes
    base::Milliseconds idle_limit{75'000};       ///< between requests
    base::Milliseconds write_limit{30'000};      ///< without any progress of a write
    base::Random* random = &base::system_random();     ///< for the requests' ids
    const base::Clock* clock = &base::system_clock();  ///< for the `Date` field

    /// Shapes the answers to what goes wrong before a handler runs (and to a handler's exception). `request` is null
    /// where not even the head could be read. Required.
    std::function<Response(const base::Error&, const Request*)> on_error;
    /// Looked at once the head is there, before the body is read or asked for (`request.body` is empty): an error is
    /// the answer. Optional.
    std::function<base::Result<void>(const Request&)> admit = {};
    /// Asked once a request is admitted that says it has a body longer than `body_limit`, or does not say how long it
    /// is: what may let it be longer. Null: nothing. Optional.
    std::function<std::shared_ptr<BodyGate>(const Request&)> gate_body = {};
    /// May add fields to any answer's head. Optional.
    std::function<void(const Request&, Response&)> decorate = {};
    /// Called once per request that got an answer's head. Optional.
    std::function<void(const Request&, const Answered&)> on_answered = {};
    /// An exception left a handler. Optional.
    std::function<void(const std::string& what)> on_bug = {};
};

/// Refuses an address that another socket listens on: binds without SO_REUSEPORT (with it, a second server would be let
/// in silently), and gives back the address with its port chosen where `port` was 0. `host` is a literal address or
/// `localhost`. Errors: invalid_request (no address), conflict (taken), unavailable (may not bind there).
base::Result<boost::asio::ip::tcp::endpoint> probe_listen(const std::string& host, std::uint16_t port);

/// Serves HTTP/1.1 (and 1.0) on one worker: keep-alive, pipelining, chunked bodies, `Expect: 100-continue`. Requests
/// are parsed strictly (request_parser.h); one that is malformed is answered and its connection closed. Every wait has
/// a deadline. One per worker.
class Server {
  public:
    /// `tasks` runs the connections; it is joined (after `stop_accepting`) before this is destroyed.
    Server(async::Executor executor, async::TaskGroup& tasks, const Router& router, ServerOptions options);
    ~Server();
    Server(const Server&) = delete;

    /// Binds with SO_REUSEPORT and starts to accept.
    base::Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint);
    /// Where it listens (with the port that the kernel chose).
    boost::asio::ip::tcp::endpoint endpoint() const;

    /// Closes the listening socket and the connections that wait for a request; the others say `Connection: close` on
    /// their answer and end with it. WebSockets are closed with 1001.
    void stop_accepting();
    /// Closes all connections, whatever they do.
    void close_connections();

    std::size_t connections() const;

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace tertulia::http
