#include "tertulia/http/trusted_certificates.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

namespace tertulia::http {
namespace {

template <auto function>
struct Free {
    void operator()(auto* object) const { function(object); }
};
using Name = std::unique_ptr<X509_NAME, Free<X509_NAME_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;

using Bytes = std::basic_string_view<unsigned char>;

// Takes one element of DER from the front of `bytes`: whole, and its content alone. Empty where there is none.
struct Element {
    Bytes whole, content;
    int tag = -1;
};
Element take_element(Bytes& bytes) {
    const unsigned char* at = bytes.data();
    long length = 0;
    int tag = 0, tag_class = 0;
    if (bytes.empty() || (ASN1_get_object(&at, &length, &tag, &tag_class, static_cast<long>(bytes.size())) & 0x81) != 0)
        return {};
    const std::size_t head = static_cast<std::size_t>(at - bytes.data()), size = static_cast<std::size_t>(length);
    const Element element{bytes.substr(0, head + size), bytes.substr(head, size), tag};
    bytes.remove_prefix(head + size);
    return element;
}

// Whose certificate it is (RFC 5280 4.1.2): version, serial number, algorithm, issuer, validity, subject. No more of it
// is decoded.
Name subject_of(Bytes certificate) {
    Bytes outer = take_element(certificate).content;
    Bytes signed_part = take_element(outer).content;
    Element element = take_element(signed_part);
    if (element.tag == 0) element = take_element(signed_part);  // there is a version, which may be left out
    for (int i = 0; i < 4; ++i) element = take_element(signed_part);
    const unsigned char* at = element.whole.data();
    return Name(element.whole.empty() ? nullptr : d2i_X509_NAME(nullptr, &at, static_cast<long>(element.whole.size())));
}

// Files' certificates by their subjects. One per context.
class Bundle {
  public:
    // False: there are none in it.
    bool add(const std::string& path) {
        const std::size_t before = entries_.size();
        const std::unique_ptr<BIO, Free<BIO_free>> file(BIO_new_file(path.c_str(), "rb"));
        char *kind, *header;
        unsigned char* data;
        long size;
        while (file && PEM_read_bio(file.get(), &kind, &header, &data, &size) == 1) {
            const std::string_view is(kind);
            if (is == PEM_STRING_X509 || is == PEM_STRING_X509_OLD) {
                Bytes der(data, static_cast<std::size_t>(size));
                if (Name subject = subject_of(der)) entries_.push_back({std::move(subject), std::basic_string(der)});
            }
            OPENSSL_free(kind);
            OPENSSL_free(header);
            OPENSSL_free(data);
        }
        ERR_clear_error();
        return entries_.size() > before;
    }

    std::vector<Certificate> find(const X509_NAME* subject) const {
        std::vector<Certificate> found;
        for (const Entry& entry : entries_) {
            if (X509_NAME_cmp(entry.subject.get(), subject) != 0) continue;
            const unsigned char* at = entry.der.data();
            if (X509* const decoded = d2i_X509(nullptr, &at, static_cast<long>(entry.der.size())))
                found.emplace_back(decoded);
        }
        return found;
    }

  private:
    struct Entry {
        Name subject;
        std::basic_string<unsigned char> der;
    };
    std::vector<Entry> entries_;
};

// What OpenSSL asks for an issuer that its store does not know yet. What is found goes into the store, which then owns
// it; `result` only refers to it.
int find_issuer(X509_LOOKUP* lookup, X509_LOOKUP_TYPE type, const X509_NAME* subject, X509_OBJECT* result) {
    const auto* bundle = static_cast<const Bundle*>(X509_LOOKUP_get_method_data(lookup));
    if (type != X509_LU_X509 || !bundle) return 0;
    const std::vector<Certificate> found = bundle->find(subject);
    for (const Certificate& certificate : found) {
        if (X509_STORE_add_cert(X509_LOOKUP_get_store(lookup), certificate.get()) != 1) return 0;
    }
    if (found.empty() || X509_OBJECT_set1_X509(result, found.front().get()) != 1) return 0;
    X509_free(found.front().get());  // the reference that `result` took: nobody gives it back
    return 1;
}

X509_LOOKUP_METHOD* lookup_method() {
    static X509_LOOKUP_METHOD* const method = [] {
        X509_LOOKUP_METHOD* made = X509_LOOKUP_meth_new("tertulia bundle");
        X509_LOOKUP_meth_set_get_by_subject(made, &find_issuer);
        X509_LOOKUP_meth_set_free(
            made, [](X509_LOOKUP* lookup) { delete static_cast<Bundle*>(X509_LOOKUP_get_method_data(lookup)); });
        return made;
    }();
    return method;
}

bool is_there(const char* path) {
    return ::access(path, R_OK) == 0;
}

}  // namespace

bool trust_bundle(SSL_CTX* context, const std::string& file) {
    // One look-up for each kind of them: what was added before is in the same bundle.
    X509_LOOKUP* const lookup = X509_STORE_add_lookup(SSL_CTX_get_cert_store(context), lookup_method());
    if (!lookup) return false;
    if (!X509_LOOKUP_get_method_data(lookup)) X509_LOOKUP_set_method_data(lookup, new Bundle);
    return static_cast<Bundle*>(X509_LOOKUP_get_method_data(lookup))->add(file);
}

void trust_system(SSL_CTX* context) {
    // The file before the directory, as OpenSSL does it: the first one that knows a subject is asked alone, and a
    // machine's directory may have another certificate of that name ("localhost").
    const char* const named = std::getenv(X509_get_default_cert_file_env());
    if (named) {
        trust_bundle(context, named);
    } else if (!std::getenv(X509_get_default_cert_dir_env()) && !is_there(X509_get_default_cert_dir())) {
        for (const char* bundle :
             {X509_get_default_cert_file(), "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"})
            if (trust_bundle(context, bundle)) break;
    }
    SSL_CTX_set_default_verify_dir(context);
    ERR_clear_error();
}

}  // namespace tertulia::http
