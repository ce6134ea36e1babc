// Which connections exist to whom, and who waits for one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/http/client_connection.h"

namespace tertulia::http {

/// The book of a client's connections, without I/O but for closing those that have gone stale. One per worker.
class ClientPool {
  public:
    ClientPool(std::size_t per_host, base::Milliseconds idle_limit) : per_host_(per_host), idle_limit_(idle_limit) {}

    /// The connection that was used last, if one is idle and still good. One that was idle too long by the wall's clock
    /// alone is not: the machine stood still meanwhile (a frozen Lambda sandbox), and the other side has given it up.
    std::unique_ptr<ClientConnection> take_idle(const std::string& host, base::SteadyTime now, std::int64_t wall_us);
    /// May one more be opened? Then it is counted, until `closed`. An idle one is closed where the limit is reached.
    bool open_one(const std::string& host);
    /// An open connection is no more.
    void closed(const std::string& host);
    void give_back(const std::string& host, std::unique_ptr<ClientConnection> connection, base::SteadyTime now,
                   std::int64_t wall_us);

    /// Who waits is woken when a connection may be had.
    void wait(const std::string& host, std::shared_ptr<async::Waiter> waiter);
    /// After each wait. `gives_up`: it will not take a connection; if it was woken for one, the next is woken instead.
    void stop_waiting(const std::string& host, const std::shared_ptr<async::Waiter>& waiter, bool gives_up);

    /// Closes what was idle too long; gives the time of the next to expire (SteadyTime::max(): none).
    base::SteadyTime expire(base::SteadyTime now);
    void close_idle();
    std::size_t idle() const;

  private:
    struct Idle {
        std::unique_ptr<ClientConnection> connection;
        base::SteadyTime since;
        std::int64_t since_wall_us;
    };
    struct Host {
        std::vector<Idle> idle;  // the last used at the back
        std::size_t open = 0;    // in use or idle
        std::deque<std::shared_ptr<async::Waiter>> waiting;
    };
    void wake_next(Host& host);

    std::size_t per_host_;
    base::Milliseconds idle_limit_;
    std::map<std::string, Host, std::less<>> hosts_;
};

}  // namespace tertulia::http
