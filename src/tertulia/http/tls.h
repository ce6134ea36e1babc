// TLS for outgoing connections: OpenSSL over a non-blocking socket.
#pragma once

#include <memory>
#include <string>

#include "tertulia/base/error.h"
#include "tertulia/http/transport.h"

struct ssl_ctx_st;
struct ssl_st;

namespace tertulia::http {

/// What all TLS connections of a client share: trusted certificates (trusted_certificates.h, and those of `ca_file`),
/// TLS 1.2 at least. One per worker.
class TlsContext {
  public:
    static base::Result<TlsContext> make(const std::string& ca_file);

    ssl_ctx_st* get() const { return context_.get(); }

  private:
    struct Free {
        void operator()(ssl_ctx_st* context) const;
    };
    std::unique_ptr<ssl_ctx_st, Free> context_;
};

/// One connection's TLS state. The certificate must be valid for the host's name (or address). One per worker.
class TlsSession {
  public:
    /// `socket`: a connected, non-blocking one; stays the caller's.
    static base::Result<std::unique_ptr<TlsSession>> make(const TlsContext& context, const std::string& host,
                                                          int socket);
    ~TlsSession();

    IoResult handshake();
    IoResult read(char* buffer, std::size_t size);
    IoResult write(const char* bytes, std::size_t size);
    /// Nothing to read, and not closed?
    bool is_quiet();
    /// Why the last call failed, for people.
    const std::string& why() const { return why_; }

  private:
    TlsSession() = default;
    IoResult outcome(int result);

    struct Free {
        void operator()(ssl_st* session) const;
    };
    std::unique_ptr<ssl_st, Free> session_;
    std::string why_;
};

}  // namespace tertulia::http
