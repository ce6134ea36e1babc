// One connection to another server.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tertulia/async/polled_socket.h"
#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/tls.h"
#include "tertulia/http/transport.h"

namespace tertulia::http {

/// A socket, with TLS where the scheme wants it, whose waits have deadlines and can be broken off. Holds no buffers.
/// Used by one task at a time. One per worker.
class ClientConnection {
  public:
    explicit ClientConnection(async::Executor executor) : socket_(executor) {}
    ClientConnection(const ClientConnection&) = delete;

    /// Connects to one address. Errors: timed_out, upstream_unavailable (the message says why).
    async::Task<base::Result<void>> connect(Tcp::endpoint endpoint, base::Deadline deadline);
    async::Task<base::Result<void>> start_tls(const TlsContext& context, std::string host, base::Deadline deadline);

    async::Task<base::Result<void>> write(std::string_view bytes, base::Deadline deadline);
    /// What is there: done, closed, failed, and then `why()` says more, or nothing yet (it wants to wait): then
    /// `co_await ready(deadline)`, and read again.
    IoResult read(std::span<char> buffer);
    async::PolledSocket::Wait ready(base::Deadline deadline) {
        return waits_to_write_ ? socket_.writable(deadline) : socket_.readable(deadline);
    }
    base::Error why() const { return broken().error(); }

    /// Closes it: a wait that is under way, and everything after it, ends with unavailable, "stopped".
    void abort();
    /// Is it open, with nothing to read? (For one that was idle.)
    bool is_quiet();

  private:
    void note(IoResult io);
    bool is_over() const { return stopped_ || socket_.has_timed_out(); }
    std::unexpected<base::Error> failed(int error) const;
    std::unexpected<base::Error> broken() const;

    async::PolledSocket socket_;
    std::unique_ptr<TlsSession> tls_;
    bool waits_to_write_ = false;
    bool stopped_ = false;
};

}  // namespace tertulia::http
