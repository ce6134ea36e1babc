#include "tertulia/http/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "tertulia/async/sweeper.h"
#include "tertulia/http/ascii.h"
#include "tertulia/http/client_connection.h"
#include "tertulia/http/client_pool.h"
#include "tertulia/http/inflate.h"
#include "tertulia/http/resolver.h"
#include "tertulia/http/response_parser.h"
#include "tertulia/http/tls.h"

namespace tertulia::http {
namespace {

using async::Task;
using base::Errc;

constexpr std::size_t read_size = 64 * 1024;
constexpr std::size_t inflate_size = 256 * 1024;

std::unexpected<base::Error> stopped() {
    return base::fail(Errc::unavailable, "stopped");
}

base::SteadyTime now() {
    return std::chrono::steady_clock::now();
}

// Head and body, to be sent in one write.
base::Result<std::string> render(const ClientRequest& request) {
    const auto refuse = [](std::string_view what) {
        return base::fail(Errc::invalid_request, fmt::format("The request cannot be sent: {}.", what));
    };
    const auto visible = [](std::string_view text) {
        return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
    };
    const std::string authority = request.url.authority();
    if (!is_token(request.method)) return refuse("the method is malformed");
    if (!request.url.target.starts_with('/') || !visible(request.url.target)) return refuse("the target is malformed");
    if (request.url.host.empty() || !visible(authority)) return refuse("the host's name is malformed");

    std::string text = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.url.target, authority);
    for (const auto& [name, value] : request.headers.fields()) {
        if (!is_token(name)) return refuse("the name of a header field is malformed");
        if (!is_field_value(value)) return refuse(fmt::format("the value of the header field {} is malformed", name));
        for (const std::string_view own : {"host", "content-length", "transfer-encoding", "connection"})
            if (equal_ignoring_case(name, own)) return refuse(fmt::format("{} is not the caller's to set", own));
        fmt::format_to(std::back_inserter(text), "{}: {}\r\n", name, value);
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH")
        fmt::format_to(std::back_inserter(text), "Content-Length: {}\r\n", request.body.size());
    text += "\r\n";
    text += request.body;
    return text;
}

// What one request waits for, so that its stop token can break it off. Only touched on the worker.
struct Flight {
    explicit Flight(async::Executor executor) : waiter(async::Waiter::make(executor)) {}
    void stop() {
        stopped = true;
        waiter->wake();
        if (connection) connection->abort();
    }

    bool stopped = false;
    std::shared_ptr<async::Waiter> waiter;
    ClientConnection* connection = nullptr;
};

// Carries the stop from whichever thread requests it to the worker.
struct Stopper {
    async::Executor executor;
    std::weak_ptr<Flight> flight;

    void operator()() {
        boost::asio::post(executor, [weak = flight] {
            if (const auto there = weak.lock()) there->stop();
        });
    }
};

}  // namespace

class Client::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(async::Executor executor, ClientOptions options)
        : executor_(executor),
          options_(std::move(options)),
          sweeper_(executor),
          pool_(options_.connections_per_host, options_.idle_limit),
          resolver_(executor),
          idle_deadline_(sweeper_,
                         [this] {
                             // Not here: expiring destroys entries of the sweeper.
                             boost::asio::post(executor_, [weak = weak_from_this()] {
                                 if (const auto self = weak.lock()) self->expire();
                             });
                         }),
          scratch_(read_size) {}

    // A connection that is lent, counted in the pool until it is given back or closed.
    class Lease {
      public:
        Lease(std::shared_ptr<Impl> impl, std::string host, std::unique_ptr<ClientConnection> connection,
              Flight& flight)
            : impl_(std::move(impl)), host_(std::move(host)), connection_(std::move(connection)), flight_(&flight) {
            flight_->connection = connection_.get();
        }
        Lease(Lease&& other) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (!connection_) return;
            flight_->connection = nullptr;
            connection_.reset();
            impl_->pool_.closed(host_);
        }
        void give_back() {
            flight_->connection = nullptr;
            impl_->pool_.give_back(host_, std::move(connection_), now());
            impl_->idle_deadline_.set(
                base::Deadline(impl_->idle_until_ = std::min(impl_->idle_until_, now() + impl_->options_.idle_limit)));
        }
        ClientConnection& operator*() const { return *connection_; }

        bool reused = false;

      private:
        std::shared_ptr<Impl> impl_;
        std::string host_;
        std::unique_ptr<ClientConnection> connection_;
        Flight* flight_;
    };

    Task<base::Result<Lease>> acquire(const Url& url, base::Milliseconds connect_limit, bool fresh, Flight& flight,
                                      base::Deadline deadline) {
        const std::string host = fmt::format("{}://{}:{}", url.scheme(), url.host, url.port);
        for (;;) {
            if (!fresh) {
                if (auto idle = pool_.take_idle(host, now())) {
                    Lease lease(shared_from_this(), host, std::move(idle), flight);
                    lease.reused = true;
                    co_return lease;
                }
            }
            if (pool_.open_one(host)) break;
            pool_.wait(host, flight.waiter);
            co_await flight.waiter->wait(deadline);
            const bool gives_up = flight.stopped || deadline.passed(now());
            pool_.stop_waiting(host, flight.waiter, gives_up);
            if (flight.stopped) co_return stopped();
            if (gives_up)
                co_return base::fail(Errc::timed_out,
                                     fmt::format("No connection to {} became free in time.", url.authority()));
        }
        Lease lease(shared_from_this(), host, std::make_unique<ClientConnection>(executor_, sweeper_), flight);
        auto connected = co_await connect(*lease, url, flight, deadline.earlier(base::Deadline(now() + connect_limit)));
        if (connected) co_return lease;
        base::Error error = std::move(connected.error());
        if (flight.stopped) co_return stopped();
        if (error.code == Errc::timed_out)
            error.message = fmt::format("{} could not be connected to in time: {}", url.authority(), error.message);
        else if (error.code == Errc::upstream_unavailable)
            error.message = fmt::format("{} cannot be connected to: {}", url.authority(), error.message);
        co_return std::unexpected(std::move(error));
    }

    std::span<char> scratch() { return scratch_; }
    const ClientOptions& options() const { return options_; }
    async::Executor executor() const { return executor_; }
    const ClientPool& pool() const { return pool_; }

    void close_idle() {
        pool_.close_idle();
        expire();
    }

  private:
    Task<base::Result<void>> connect(ClientConnection& connection, const Url& url, Flight& flight,
                                     base::Deadline deadline) {
        auto addresses = co_await resolver_.resolve(url.host, flight.waiter, flight.stopped, deadline);
        if (!addresses) co_return std::unexpected(std::move(addresses.error()));
        base::Result<void> connected;
        for (std::size_t i = 0; i < addresses->size(); ++i) {
            // One that does not answer leaves time for those after it.
            const auto left = deadline.at() - now();
            const auto share = left / static_cast<int>(addresses->size() - i);
            connected = co_await connection.connect({(*addresses)[i], url.port}, base::Deadline(now() + share));
            if (connected || flight.stopped) break;
        }
        if (!connected || !url.tls) co_return connected;
        if (!tls_) {
            auto made = TlsContext::make(options_.ca_file);
            if (!made) co_return std::unexpected(std::move(made.error()));
            tls_.emplace(std::move(*made));
        }
        co_return co_await connection.start_tls(*tls_, url.host, deadline);
    }

    void expire() {
        idle_until_ = pool_.expire(now());
        idle_deadline_.set(base::Deadline(idle_until_));
    }

    async::Executor executor_;
    ClientOptions options_;
    async::Sweeper sweeper_;
    std::optional<TlsContext> tls_;
    ClientPool pool_;
    Resolver resolver_;
    async::Sweeper::Entry idle_deadline_;
    base::SteadyTime idle_until_ = base::SteadyTime::max();
    // Every read of this worker goes here; what is not used up before the reader waits again is copied.
    std::vector<char> scratch_;

    friend class Client;
    class Response;
};

class Client::Impl::Response final : public ClientResponse {
  public:
    Response(std::shared_ptr<Impl> impl, std::shared_ptr<Flight> flight, std::stop_token stop, Lease lease,
             bool to_head)
        : impl_(std::move(impl)),
          flight_(std::move(flight)),
          lease_(std::move(lease)),
          stop_(std::move(stop)),
          parser_(to_head, impl_->options_.head_limit) {}

    // Sends the request and waits for the head. `began`: did any byte of the answer come?
    Task<base::Result<void>> exchange(std::string_view request, base::Deadline deadline, bool& began) {
        if (flight_->stopped) co_return stopped();
        // A server that refuses a large body may answer and close before it has read it all: look for its answer.
        auto written = co_await (**lease_).write(request, deadline);
        if (!written && (lease_->reused || written.error().code != Errc::upstream_unavailable))
            co_return explain(std::move(written.error()), "the request was not taken");
        for (;;) {
            auto count = co_await (**lease_).read(impl_->scratch(), deadline);
            if (!count)
                co_return explain(std::move(count.error()),
                                  began ? "the answer's head was not complete" : "no byte of an answer came");
            if (*count == 0) {
                auto error = parser_.end_of_input().error();
                if (!began) error.message = "The other server closed the connection without an answer.";
                co_return std::unexpected(std::move(error));
            }
            began = true;
            std::string_view bytes(impl_->scratch().data(), *count);
            auto head = parser_.feed_head(bytes);
            if (!head) co_return std::unexpected(std::move(head.error()));
            if (!*head) continue;
            pending_.assign(bytes);
            break;
        }
        status = parser_.status();
        headers = std::move(parser_.headers());
        const std::string_view encoding = trim(headers.get("content-encoding"));
        if (equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip") ||
            equal_ignoring_case(encoding, "deflate"))
            inflater_.emplace();
        if (parser_.is_complete()) end_of_body(pending_.empty());
        co_return base::Result<void>();
    }

    Task<base::Result<std::string_view>> read(base::Deadline deadline) override {
        if (failed_) co_return std::unexpected(*failed_);
        for (;;) {
            if (inflater_ && !backlog_.empty()) {
                const std::string in = std::move(backlog_);
                backlog_.clear();
                if (auto ok = inflate(in); !ok) co_return remember(std::move(ok.error()));
                if (!decoded_.empty()) co_return std::string_view(decoded_);
            }
            if (!lease_) {
                if (!inflater_ || inflater_ended_) co_return std::string_view();
                inflater_ended_ = true;
                decoded_.clear();
                if (auto ok = inflater_->end(decoded_); !ok) co_return remember(std::move(ok.error()));
                co_return std::string_view(decoded_);
            }
            std::span<char> raw;
            if (!pending_.empty()) {
                held_ = std::move(pending_);
                pending_.clear();
                raw = held_;
            } else {
                if (!held_.empty()) std::string().swap(held_);
                auto count = co_await (**lease_).read(impl_->scratch(), deadline);
                if (!count)
                    co_return remember(
                        explain(std::move(count.error()), "the rest of the answer did not come").error());
                if (*count == 0) {
                    if (auto ended = parser_.end_of_input(); !ended) co_return remember(std::move(ended.error()));
                    end_of_body(false);
                    continue;
                }
                raw = impl_->scratch().first(*count);
            }
            auto body = unframe(raw);
            if (!body) co_return remember(std::move(body.error()));
            if (inflater_) {
                if (auto ok = inflate(*body); !ok) co_return remember(std::move(ok.error()));
                if (!decoded_.empty()) co_return std::string_view(decoded_);
            } else if (!body->empty()) {
                co_return *body;
            }
        }
    }

    bool is_complete() const override {
        return !lease_ && !failed_ && backlog_.empty() && (!inflater_ || inflater_ended_);
    }

  private:
    // Takes the framing out of `raw`, in place; gives what is left: the body's bytes.
    base::Result<std::string_view> unframe(std::span<char> raw) {
        std::string_view bytes(raw.data(), raw.size());
        char* begin = nullptr;
        std::size_t size = 0;
        for (;;) {
            auto piece = parser_.next_body(bytes);
            if (!piece) return std::unexpected(std::move(piece.error()));
            if (piece->empty()) break;
            if (!begin)
                begin = raw.data() + (piece->data() - raw.data());
            else
                std::memmove(begin + size, piece->data(), piece->size());
            size += piece->size();
        }
        if (parser_.is_complete()) end_of_body(bytes.empty());
        return std::string_view(begin, size);
    }

    base::Result<void> inflate(std::string_view in) {
        decoded_.clear();
        auto fed = inflater_->feed(in, decoded_, inflate_size);
        backlog_.assign(in);
        return fed;
    }

    // `clean`: nothing came after the body.
    void end_of_body(bool clean) {
        stop_callback_.reset();
        if (clean && parser_.keep_alive()) lease_->give_back();
        lease_.reset();
        pending_.clear();
    }

    std::unexpected<base::Error> explain(base::Error error, std::string_view what) {
        if (flight_->stopped) return stopped();
        if (error.code == Errc::timed_out) error.message = fmt::format("The deadline passed: {}.", what);
        return std::unexpected(std::move(error));
    }

    std::unexpected<base::Error> remember(base::Error error) {
        failed_ = error;
        stop_callback_.reset();
        lease_.reset();
        return std::unexpected(std::move(error));
    }

    std::shared_ptr<Impl> impl_;
    std::shared_ptr<Flight> flight_;
    std::optional<Lease> lease_;  // until the body's end
    std::stop_token stop_;
    std::optional<std::stop_callback<Stopper>> stop_callback_{std::in_place, stop_, Stopper{impl_->executor_, flight_}};
    ResponseParser parser_;
    std::optional<Inflater> inflater_;
    bool inflater_ended_ = false;
    std::string pending_;  // came with the head
    std::string held_;     // what the last view points to, where it was pending
    std::string backlog_;  // encoded, not yet decoded
    std::string decoded_;
    std::optional<base::Error> failed_;
};

Client::Client(async::Executor executor, ClientOptions options)
    : impl_(std::make_shared<Impl>(executor, std::move(options))) {}

Client::~Client() {
    impl_->close_idle();
}

async::Task<base::Result<std::unique_ptr<ClientResponse>>> Client::send(ClientRequest request, std::stop_token stop,
                                                                        base::Deadline deadline) {
    const auto impl = impl_;
    const auto text = render(request);
    if (!text) co_return std::unexpected(text.error());
    const auto flight = std::make_shared<Flight>(impl->executor());
    if (stop.stop_requested()) co_return stopped();
    std::optional<std::stop_callback<Stopper>> connecting(std::in_place, stop, Stopper{impl->executor(), flight});
    for (bool fresh = false;; fresh = true) {
        auto lease = co_await impl->acquire(request.url, request.connect_limit, fresh, *flight, deadline);
        if (!lease) co_return std::unexpected(std::move(lease.error()));
        const bool reused = lease->reused;
        auto response =
            std::make_unique<Impl::Response>(impl, flight, stop, std::move(*lease), request.method == "HEAD");
        bool began = false;
        auto exchanged = co_await response->exchange(*text, deadline, began);
        if (exchanged) co_return std::unique_ptr<ClientResponse>(std::move(response));
        const bool stale = reused && !began && exchanged.error().code == Errc::upstream_unavailable;
        if (!stale) co_return std::unexpected(std::move(exchanged.error()));
    }
}

std::size_t Client::idle_connections() const {
    return impl_->pool().idle();
}
void Client::close_idle() {
    impl_->close_idle();
}

}  // namespace tertulia::http
