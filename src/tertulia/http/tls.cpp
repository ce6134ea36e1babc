#include "tertulia/http/tls.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <climits>

#include "tertulia/http/trusted_certificates.h"

namespace tertulia::http {
namespace {

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE when the other side is gone. Ours keeps the
// socket in the BIO's data pointer.
int socket_of(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int bio_result(BIO* bio, IoResult io) {
    BIO_clear_retry_flags(bio);
    switch (io.state) {
        case IoResult::State::done:
            return static_cast<int>(io.bytes);
        case IoResult::State::want_read:
            BIO_set_retry_read(bio);
            return -1;
        case IoResult::State::want_write:
            BIO_set_retry_write(bio);
            return -1;
        case IoResult::State::closed:
            return 0;
        case IoResult::State::failed:
            break;
    }
    return -1;
}

BIO_METHOD* bio_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tertulia socket");
        BIO_meth_set_read(made, [](BIO* bio, char* buffer, int size) {
            return bio_result(bio, receive(socket_of(bio), buffer, static_cast<std::size_t>(size)));
        });
        BIO_meth_set_write(made, [](BIO* bio, const char* bytes, int size) {
            return bio_result(bio, send_some(socket_of(bio), bytes, static_cast<std::size_t>(size)));
        });
        BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH; });
        return made;
    }();
    return method;
}

std::string openssl_error() {
    const unsigned long code = ERR_peek_last_error();
    if (code == 0) return "the connection was lost";
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : "unknown TLS error";
}

int clamp_size(std::size_t size) {
    return static_cast<int>(std::min<std::size_t>(size, INT_MAX));
}

}  // namespace

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}
void TlsSession::Free::operator()(ssl_st* session) const {
    SSL_free(session);
}

base::Result<TlsContext> TlsContext::make(const std::string& ca_file) {
    TlsContext context;
    context.context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* const raw = context.get();
    if (!raw) return base::fail(base::Errc::internal, "OpenSSL gives no context.");
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(raw,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    trust_system(raw);
    // All of them at once: they go before those of the system that have the same name.
    if (!ca_file.empty() && SSL_CTX_load_verify_file(raw, ca_file.c_str()) != 1)
        return base::fail(base::Errc::invalid_request, fmt::format("{} holds no certificates.", ca_file));
    ERR_clear_error();
    return context;
}

base::Result<std::unique_ptr<TlsSession>> TlsSession::make(const TlsContext& context, const std::string& host,
                                                           int socket) {
    std::unique_ptr<TlsSession> made(new TlsSession);
    made->session_.reset(SSL_new(context.get()));
    SSL* const raw = made->session_.get();
    BIO* const bio = raw ? BIO_new(bio_method()) : nullptr;
    if (!bio) return base::fail(base::Errc::internal, "OpenSSL gives no session.");
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
    BIO_set_init(bio, 1);
    SSL_set_bio(raw, bio, bio);

    static constexpr unsigned char protocols[] = "\x08http/1.1";
    SSL_set_alpn_protos(raw, protocols, sizeof(protocols) - 1);
    boost::system::error_code not_an_address;
    boost::asio::ip::make_address(host, not_an_address);
    bool ok;
    if (not_an_address) {
        SSL_set_hostflags(raw, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = SSL_set1_host(raw, host.c_str()) == 1 && SSL_set_tlsext_host_name(raw, host.c_str()) == 1;
    } else {
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(raw), host.c_str()) == 1;
    }
    if (!ok) return base::fail(base::Errc::invalid_request, fmt::format("\"{}\" is no name for a TLS server.", host));
    SSL_set_connect_state(raw);
    return made;
}

TlsSession::~TlsSession() = default;

IoResult TlsSession::outcome(int result) {
    if (result > 0) return {IoResult::State::done, static_cast<std::size_t>(result)};
    switch (SSL_get_error(session_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            return {IoResult::State::want_read};
        case SSL_ERROR_WANT_WRITE:
            return {IoResult::State::want_write};
        case SSL_ERROR_ZERO_RETURN:
            return {IoResult::State::closed};
        default:
            break;
    }
    // A connection that ends without a closing message may have been cut by a third party: never a good end.
    const long verified = SSL_get_verify_result(session_.get());
    why_ = verified == X509_V_OK
               ? openssl_error()
               : fmt::format("its certificate is refused: {}", X509_verify_cert_error_string(verified));
    return {IoResult::State::failed};
}

IoResult TlsSession::handshake() {
    ERR_clear_error();
    return outcome(SSL_do_handshake(session_.get()));
}

IoResult TlsSession::read(char* buffer, std::size_t size) {
    ERR_clear_error();
    return outcome(SSL_read(session_.get(), buffer, clamp_size(size)));
}

IoResult TlsSession::write(const char* bytes, std::size_t size) {
    ERR_clear_error();
    return outcome(SSL_write(session_.get(), bytes, clamp_size(size)));
}

bool TlsSession::is_quiet() {
    char byte;
    ERR_clear_error();
    return outcome(SSL_peek(session_.get(), &byte, 1)).state == IoResult::State::want_read;
}

}  // namespace tertulia::http
