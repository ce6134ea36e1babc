// One connection of a client of ours.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tertulia/async/sweeper.h"
#include "tertulia/http/request_parser.h"
#include "tertulia/http/server_core.h"
#include "tertulia/http/transport.h"

namespace tertulia::http {

class Exchange;
class Takeover;

/// Reads requests, has them handled one after the other, and closes. One per worker.
class Connection {
  public:
    Connection(std::shared_ptr<ServerCore> core, Socket socket);
    ~Connection();
    Connection(const Connection&) = delete;

    /// The life of a connection; `crowded`: there are too many, so this one is only told so.
    static async::Task<void> run(std::shared_ptr<Connection> self, bool crowded);

    /// Sends all of `parts` in as few writes as the kernel allows (one, as a rule). False: the connection is broken, or
    /// the client took nothing for `write_limit`.
    async::Task<bool> send(std::span<const std::string_view> parts);

    /// See ResponseWriter::on_close.
    void watch_close(std::function<void()> closed);

    /// Tells ServerOptions::on_answered what became of a request.
    void report(const Request& request, const Exchange& exchange);

    /// For what takes the connection over; `takeover` has it until its `finish`.
    Socket& socket() { return socket_; }
    std::string take_pending() { return std::exchange(pending_, {}); }
    void set_takeover(std::shared_ptr<Takeover> takeover);
    /// The server stops: an idle connection is closed, one that was taken over is told.
    void stop();

    void close();

    ServerCore& core() { return *core_; }

  private:
    enum class Phase { idle, head, body, busy };
    // Shared with the wait under way, which may end after the watch has.
    struct CloseWatch {
        std::function<void()> closed;  // null: nobody wants to know any more
    };

    enum class Next { more, request, end };

    // While a request is handled, which may take minutes, there is no more of these tasks than `run`, `serve`,
    // `handle` and http::serve, and the request stays in the parser.
    async::Task<void> serve();
    /// Feeds what has come to the parser, and answers what is not to be handled.
    async::Task<Next> take(std::string_view bytes);
    base::Result<RequestParser::Step> advance(std::string_view& bytes);
    /// False: no more requests.
    async::Task<bool> handle();
    async::Task<void> refuse(base::Error error);
    async::Task<void> refuse_in_crowd();
    async::Task<void> refuse_late();
    async::Task<void> linger();
    async::Task<bool> wait_readable();
    void enter(Phase phase);
    void give_time_for_more();
    void look_for_close(std::shared_ptr<CloseWatch> watch);

    std::shared_ptr<ServerCore> core_;
    Socket socket_;
    RequestParser parser_;
    async::Sweeper::Entry deadline_;
    std::string pending_;  // of the next request, when it came with the one before
    std::shared_ptr<CloseWatch> close_watch_;
    std::shared_ptr<Takeover> takeover_;
    base::SteadyTime began_at_{};
    std::size_t body_part_ = 0;  // of the body that is coming: how many times the usual limit has come
    Phase phase_ = Phase::idle;
    bool idle_ = false;  // waits for a request of which nothing has come yet
    bool timed_out_ = false;
};

}  // namespace tertulia::http
