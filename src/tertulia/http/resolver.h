// From names to addresses.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tertulia/async/task.h"
#include "tertulia/async/waiter.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"

namespace tertulia::http {

/// Asynchronous look-ups (c-ares: hosts file and DNS; its sockets are watched by the worker's event loop). Literal
/// addresses and `localhost` are answered at once, what was found is kept for half a minute, and several that ask for
/// one name share a query. One per worker.
class Resolver {
  public:
    using Addresses = std::vector<boost::asio::ip::address>;

    /// `name_servers`: `address:port`, separated by commas; empty: the system's.
    explicit Resolver(async::Executor executor, std::string name_servers = {});
    ~Resolver();
    Resolver(const Resolver&) = delete;

    /// At least one address, the preferred one first (RFC 6724). Returns early with timed_out at the deadline, and when
    /// `waiter` is woken while `stopped` holds (then the result is of no matter). Both outlive the call.
    /// upstream_unavailable: there is no such name, or the name servers do not answer.
    async::Task<base::Result<Addresses>> resolve(std::string host, const std::shared_ptr<async::Waiter>& waiter,
                                                 const bool& stopped, base::Deadline deadline);

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace tertulia::http
