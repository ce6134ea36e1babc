// What the requests of one client share: connections, names, buffers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "tertulia/async/sweeper.h"
#include "tertulia/async/waiter.h"
#include "tertulia/http/client.h"
#include "tertulia/http/client_connection.h"
#include "tertulia/http/client_pool.h"
#include "tertulia/http/resolver.h"
#include "tertulia/http/tls.h"

namespace tertulia::http {

/// The error of whatever was waited for when the stop was requested.
inline std::unexpected<base::Error> stopped() {
    return base::fail(base::Errc::unavailable, "stopped");
}

/// What one request waits for, so that it can be broken off. One per worker.
struct Flight {
    explicit Flight(async::Executor executor) : waiter(async::Waiter::make(executor)) {}
    void stop();

    bool stopped = false;
    std::shared_ptr<async::Waiter> waiter;
    ClientConnection* connection = nullptr;
};

/// Carries a stop from whichever thread requests it to the worker.
struct Stopper {
    async::Executor executor;
    std::weak_ptr<Flight> flight;

    void operator()() const;
};
using StopCallback = std::stop_callback<Stopper>;

/// One per worker.
class ClientCore : public std::enable_shared_from_this<ClientCore> {
  public:
    ClientCore(async::Executor executor, ClientOptions options);

    /// A connection that is lent: counted in the pool until it is given back or, as a rule, closed.
    class Lease {
      public:
        Lease(std::shared_ptr<ClientCore> core, std::string host, std::unique_ptr<ClientConnection> connection,
              Flight& flight);
        Lease(Lease&& other) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease();

        void give_back();
        ClientConnection& operator*() const { return *connection_; }

        bool reused = false;

      private:
        std::shared_ptr<ClientCore> core_;
        std::string host_;
        std::unique_ptr<ClientConnection> connection_;
        Flight* flight_;
    };

    /// A kept connection or a new one (`fresh`: a new one in any case); waits where there are too many.
    async::Task<base::Result<Lease>> acquire(const Url& url, base::Milliseconds connect_limit, bool fresh,
                                             Flight& flight, base::Deadline deadline);

    /// Every read of this worker goes here; what is not used up before its reader waits again must be copied.
    std::span<char> scratch() { return scratch_; }
    const ClientOptions& options() const { return options_; }
    async::Executor executor() const { return executor_; }
    std::size_t idle_connections() const { return pool_.idle(); }
    void close_idle();

  private:
    async::Task<base::Result<void>> connect(ClientConnection& connection, const Url& url, Flight& flight,
                                            base::Deadline deadline);
    void expire();

    async::Executor executor_;
    ClientOptions options_;
    std::optional<TlsContext> tls_;  // made for the first that needs it: reading the certificates takes a while
    ClientPool pool_;
    Resolver resolver_;
    async::Sweeper::Entry idle_deadline_;
    base::SteadyTime idle_until_ = base::SteadyTime::max();
    std::vector<char> scratch_;
};

}  // namespace tertulia::http
