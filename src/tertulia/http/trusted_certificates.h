// Which certificates TLS trusts: those of a bundle, decoded one by one when they are needed.
#pragma once

#include <string>

struct ssl_ctx_st;

namespace tertulia::http {

/// `context` trusts what SSL_CERT_FILE and SSL_CERT_DIR name; without them what the system trusts, where its kind keeps
/// that: OpenSSL's own folder, or a bundle (Amazon Linux, Debian, an image with nothing but the bundle).
void trust_system(ssl_ctx_st* context);

/// `context` trusts the certificates of a PEM file too. False: there are none in it. OpenSSL's own way takes 50 ms for
/// a system's 144 of them, most of it for keys that are never used; this takes 2 ms, and each that is looked for 0.3
/// ms.
bool trust_bundle(ssl_ctx_st* context, const std::string& file);

}  // namespace tertulia::http
