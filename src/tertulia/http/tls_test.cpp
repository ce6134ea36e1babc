#include "tertulia/http/tls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

#include "tertulia/async/worker.h"
#include "tertulia/http/client.h"
#include "tertulia/http/test_sockets.h"
#include "tertulia/http/trusted_certificates.h"

namespace tertulia::http {
namespace {

using async::Task;
using base::Deadline;
using testing::BlockingSocket;
using testing::ScriptedServer;

std::string path_of(const std::string& name) {
    return ::testing::TempDir() + "tertulia_" + std::to_string(::getpid()) + "_" + name;
}

// A certificate that vouches for itself, for the names in `alternative_names` ("DNS:localhost,IP:127.0.0.1").
class Certificate {
  public:
    explicit Certificate(const char* alternative_names, std::string common_name = "test")
        : key_(EVP_EC_gen("P-256"), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
        X509* const raw = certificate_.get();
        X509_set_version(raw, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(raw), 1);
        X509_gmtime_adj(X509_getm_notBefore(raw), -3600);
        X509_gmtime_adj(X509_getm_notAfter(raw), 3600);
        X509_set_pubkey(raw, key_.get());
        X509_NAME* const name = X509_get_subject_name(raw);
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
        X509_set_issuer_name(raw, name);
        X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternative_names);
        X509_add_ext(raw, names, -1);
        X509_EXTENSION_free(names);
        X509_sign(raw, key_.get(), EVP_sha256());
    }

    // Plays `script` over TLS on a connection.
    ScriptedServer::Script serve(std::function<void(SSL*)> script) const {
        return [this, script](BlockingSocket& socket) {
            const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
            SSL_CTX_use_certificate(context.get(), certificate_.get());
            SSL_CTX_use_PrivateKey(context.get(), key_.get());
            const std::unique_ptr<SSL, void (*)(SSL*)> session(SSL_new(context.get()), SSL_free);
            SSL_set_fd(session.get(), socket.fd());
            if (SSL_accept(session.get()) == 1) script(session.get());
            ERR_clear_error();
        };
    }

    X509* get() const { return certificate_.get(); }

    std::string save(const std::string& name) const {
        std::string path = path_of(name);
        const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
        PEM_write_X509(file.get(), certificate_.get());
        return path;
    }

  private:
    std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
    std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

// Answers `count` requests on one connection, then ends it without a word.
std::function<void(SSL*)> answer(int count, std::string bytes) {
    return [count, bytes](SSL* session) {
        for (int i = 0; i < count; ++i) {
            std::string got;
            while (got.find("\r\n\r\n") == std::string::npos) {
                char buffer[4096];
                const int size = SSL_read(session, buffer, sizeof(buffer));
                if (size <= 0) return;
                got.append(buffer, static_cast<std::size_t>(size));
            }
            SSL_write(session, bytes.data(), static_cast<int>(bytes.size()));
        }
    };
}

// The answers' bodies, or the error's message.
std::vector<std::string> ask(const ScriptedServer& server, const std::string& host, const std::string& ca_file,
                             int times) {
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    worker.start("tls test");
    std::vector<std::string> out;
    auto whole = [&]() -> Task<void> {
        Client client(worker.executor(), {.ca_file = ca_file});
        for (int i = 0; i < times; ++i) {
            ClientRequest request;
            request.url = {.tls = true, .host = host, .port = server.port()};
            const Deadline deadline = Deadline::after(std::chrono::seconds(testing::patience_seconds));
            auto response = co_await client.send(request, {}, deadline);
            if (!response) {
                out.push_back(response.error().message);
                continue;
            }
            std::string body;
            for (;;) {
                const auto bytes = co_await (*response)->read(deadline);
                if (!bytes) body += " " + bytes.error().message;
                if (!bytes || bytes->empty()) break;
                body += *bytes;
            }
            out.push_back(body);
        }
    };
    worker.run_until_done(whole());
    return out;
}

constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(Tls, is_spoken_with_a_trusted_server_on_a_kept_connection) {
    const Certificate certificate("DNS:localhost,IP:127.0.0.1");
    const std::string trusted = certificate.save("trusted.pem");
    for (const char* host : {"localhost", "127.0.0.1"}) {
        ScriptedServer server({certificate.serve(answer(3, ok))});
        EXPECT_EQ(ask(server, host, trusted, 3), (std::vector<std::string>{"ok", "ok", "ok"})) << host;
    }
    const std::string large(500'000, 'x');
    ScriptedServer server({certificate.serve(answer(1, "HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + large))});
    EXPECT_TRUE(ask(server, "localhost", trusted, 1) == std::vector<std::string>{large});
    ::unlink(trusted.c_str());
}

TEST(Tls, is_refused_where_the_certificate_is_not_trusted_or_for_another_name) {
    const Certificate right("DNS:localhost"), other("DNS:other.test,IP:127.0.0.2");
    const std::string other_file = other.save("other.pem");
    {
        ScriptedServer server({right.serve(answer(1, ok))});
        const auto got = ask(server, "localhost", other_file, 1);
        EXPECT_NE(got.at(0).find("certificate"), std::string::npos) << got.at(0);
    }
    for (const char* host : {"localhost", "127.0.0.1"}) {
        ScriptedServer server({other.serve(answer(1, ok))});
        const auto got = ask(server, host, other_file, 1);
        EXPECT_NE(got.at(0).find("mismatch"), std::string::npos) << got.at(0);
    }
    ::unlink(other_file.c_str());
}

std::string read_file(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Does a bundle vouch for the certificate?
bool vouches(const std::string& bundle, X509* certificate) {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    trust_bundle(context.get(), bundle);
    const std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> check(X509_STORE_CTX_new(), X509_STORE_CTX_free);
    X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context.get()), certificate, nullptr);
    return X509_verify_cert(check.get()) == 1;
}

TEST(TrustedCertificates, are_found_among_others) {
    const Certificate certificate("DNS:localhost"), other("DNS:other.test", "other");
    const std::string file = certificate.save("bundle.pem"), alone = read_file(file);
    const std::string others = read_file(other.save("others.pem"));
    const std::string garbage = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    const std::string crl = "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
    std::ofstream(file) << "# trusted\n" << garbage << others << crl << alone;
    EXPECT_TRUE(vouches(file, certificate.get()));
    EXPECT_TRUE(vouches(file, other.get()));
    std::ofstream(file) << garbage << others << crl;
    EXPECT_FALSE(vouches(file, certificate.get()));
    EXPECT_FALSE(vouches(file + ".missing", certificate.get()));

    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    EXPECT_FALSE(trust_bundle(context.get(), file + ".missing"));
    for (std::size_t cut = 0; cut <= alone.size(); ++cut) {
        std::ofstream(file) << alone.substr(0, cut);
        EXPECT_EQ(trust_bundle(context.get(), file), cut >= alone.find("-----END CERTIFICATE-----") + 25) << cut;
    }
    for (const char* name : {"bundle.pem", "others.pem"}) ::unlink(path_of(name).c_str());
}

TEST(TrustedCertificates, a_named_file_is_asked_before_the_directory) {
    const Certificate mine("DNS:localhost", "same name"), theirs("DNS:localhost", "same name");
    const std::string file = mine.save("mine.pem"), folder = path_of("certificates");
    ASSERT_EQ(::mkdir(folder.c_str(), 0700), 0);
    const std::string entry = folder + fmt::format("/{:08x}.0", X509_subject_name_hash(theirs.get()));
    ASSERT_EQ(std::rename(theirs.save("theirs.pem").c_str(), entry.c_str()), 0);
    ::setenv("SSL_CERT_FILE", file.c_str(), 1);
    ::setenv("SSL_CERT_DIR", folder.c_str(), 1);
    {
        ScriptedServer server({mine.serve(answer(1, ok))});
        EXPECT_EQ(ask(server, "localhost", "", 1), std::vector<std::string>{"ok"});
    }
    ::unsetenv("SSL_CERT_FILE");
    ::unsetenv("SSL_CERT_DIR");
    for (const std::string& path : {file, entry}) ::unlink(path.c_str());
    ::rmdir(folder.c_str());
}

TEST(Tls, never_takes_a_cut_connection_for_an_answer_s_end) {
    const Certificate certificate("DNS:localhost");
    const std::string trusted = certificate.save("cut.pem");
    ScriptedServer server({certificate.serve(answer(1, "HTTP/1.1 200 OK\r\n\r\nuntil the end"))});
    const auto got = ask(server, "localhost", trusted, 1);
    EXPECT_NE(got.at(0).find("The connection broke"), std::string::npos) << got.at(0);
    ::unlink(trusted.c_str());
}

}  // namespace
}  // namespace tertulia::http
