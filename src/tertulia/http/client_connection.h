// One connection to another server.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tertulia/async/sweeper.h"
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
    ClientConnection(async::Executor executor, async::Sweeper& sweeper);
    ClientConnection(const ClientConnection&) = delete;

    /// Connects to one address. Errors: timed_out, upstream_unavailable (the message says why).
    async::Task<base::Result<void>> connect(Tcp::endpoint endpoint, base::Deadline deadline);
    async::Task<base::Result<void>> start_tls(const TlsContext& context, std::string host, base::Deadline deadline);

    async::Task<base::Result<void>> write(std::string_view bytes, base::Deadline deadline);
    /// What is there, as soon as something is: done, closed, or failed, and then `why()` says more. (A small result:
    /// the task of an answer that is read waits here for most of its life.)
    async::Task<IoResult> read(std::span<char> buffer, base::Deadline deadline);
    base::Error why() const { return failed(error_).error(); }

    /// Closes it: a wait that is under way, and everything after it, ends with unavailable, "stopped".
    void abort();
    /// Is it open, with nothing to read? (For one that was idle.)
    bool is_quiet();

  private:
    IoResult try_read(std::span<char> buffer);
    /// To be awaited, and what came of it given to `end_wait`: false, and `failed` says why, where it does not go on.
    auto begin_wait(IoResult io, base::Deadline deadline) {
        deadline_.set(deadline);
        return socket_.async_wait(io.state == IoResult::State::want_write ? Socket::wait_write : Socket::wait_read,
                                  async::use_task);
    }
    bool end_wait(const boost::system::error_code& error);
    boost::system::error_code forget_writability(const Tcp& protocol);
    std::unexpected<base::Error> failed(const boost::system::error_code& error) const;
    std::unexpected<base::Error> broken() const;
    void close();

    Socket socket_;
    std::unique_ptr<TlsSession> tls_;
    async::Sweeper::Entry deadline_;
    boost::system::error_code error_;  // of the read that failed
    bool timed_out_ = false;
    bool stopped_ = false;
};

}  // namespace tertulia::http
