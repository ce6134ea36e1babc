// Requests to other servers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "tertulia/async/polled_socket.h"
#include "tertulia/async/task.h"
#include "tertulia/base/clock.h"
#include "tertulia/base/error.h"
#include "tertulia/http/message.h"
#include "tertulia/http/url.h"

namespace tertulia::http {

/// The title of a `send` error where it did not come to sending anything.
inline constexpr std::string_view cannot_connect = "Cannot connect";

/// Value.
struct ClientRequest {
    Url url;
    std::string method = "POST";
    /// Without Host, Content-Length, Connection and Transfer-Encoding: the client sets them. A name that is no token,
    /// or a value with CR, LF or NUL, is refused (invalid_request).
    Headers headers;
    std::string body;
    /// For name look-up, connecting and the TLS handshake together.
    base::Milliseconds connect_limit{3000};
};

/// An answer whose head has come. Destroying it before its end closes the connection (that is how an AI stream is
/// cancelled upstream); read to its end, the connection goes back to the pool. Used by one task at a time, on the
/// client's worker; must be destroyed before the client.
class ClientResponse {
  public:
    virtual ~ClientResponse() = default;

    int status = 0;
    /// Content-Encoding is still among them where the body was encoded.
    Headers headers;

    /// The next bytes of the body, decoded (chunks, gzip, deflate): everything that is there, 64 KB at most of what
    /// comes from the network at a time. Empty at the end. Valid until the next call, or until anything else on this
    /// worker runs: use it up before the next co_await. Errors: timed_out, unavailable ("stopped"),
    /// upstream_unavailable (cut short, broken framing or encoding).
    async::Task<base::Result<std::string_view>> read(base::Deadline deadline);

    /// The same in two steps, without a coroutine of its own: none while nothing has come, and then
    /// `co_await ready(deadline)` waits for more, or for the deadline, which the next `try_read` finds.
    virtual std::optional<base::Result<std::string_view>> try_read() = 0;
    virtual async::PolledSocket::Wait ready(base::Deadline deadline) = 0;

    /// Has the body been read to its end, as its framing says?
    virtual bool is_complete() const = 0;
};

/// A request whose body is sent as it comes. Destroying it before `finish` closes the connection. Used by one task at a
/// time, on the client's worker; must be destroyed before the client.
class ClientUpload {
  public:
    virtual ~ClientUpload() = default;

    /// Sends `bytes` as one chunk; returns when the kernel has taken them. Errors: as ClientResponse::read; after one,
    /// `finish` may still find an answer that came early.
    virtual async::Task<base::Result<void>> write(std::string_view bytes, base::Deadline deadline) = 0;
    /// Ends the body, with `trailers` (named in the request's `Trailer` field), and returns at the head of the answer.
    virtual async::Task<base::Result<std::unique_ptr<ClientResponse>>> finish(Headers trailers,
                                                                              base::Deadline deadline) = 0;
};

/// Value.
struct ClientOptions {
    /// As many as a server has connections of its own (limits.connections): a turn holds one for as long as it streams,
    /// and a smaller number would make the rest wait in silence.
    std::size_t connections_per_host = 20'000;
    /// Below the keep-alive of the servers that we talk to.
    base::Milliseconds idle_limit{15'000};
    std::size_t head_limit = 64 * 1024;
    /// Certificates to trust besides the system's (a PEM file). Empty: none.
    std::string ca_file = {};
};

/// An HTTP/1.1 client with a pool of kept-alive connections per (scheme, host, port), last used first. TLS checks the
/// certificate and the host's name (trusted_certificates.h says what is trusted).
/// One per worker.
class Client {
  public:
    explicit Client(async::Executor executor, ClientOptions options = {});
    ~Client();
    Client(const Client&) = delete;

    /// Sends `request` and returns at the head of its answer (of any status). A kept-alive connection that turns out to
    /// be closed before any byte of the answer is replaced once by a fresh one.
    ///
    /// Errors: timed_out (the message says what was waited for: look-up and connect, or the answer's first byte),
    /// unavailable with the message "stopped" once `stop` is requested (from any thread; it holds for reading the body
    /// too), upstream_unavailable (no such host, refused, certificate, closed, not HTTP), invalid_request (the request
    /// cannot be sent).
    async::Task<base::Result<std::unique_ptr<ClientResponse>>> send(ClientRequest request, std::stop_token stop,
                                                                    base::Deadline deadline);

    /// Sends the head of `request`, and its body as the first chunk (none where it is empty), on a connection of its
    /// own, which is closed after the answer. Errors: as `send`.
    async::Task<base::Result<std::unique_ptr<ClientUpload>>> upload(ClientRequest request, std::stop_token stop,
                                                                    base::Deadline deadline);

    /// Connections that wait in the pool.
    std::size_t idle_connections() const;
    /// Closes them, and lets the event loop end.
    void close_idle();

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace tertulia::http
