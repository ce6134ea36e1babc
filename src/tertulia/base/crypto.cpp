#include "tertulia/base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include <array>
#include <memory>
#include <new>

namespace tertulia::base {
namespace {

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view bytes) {
    // SHA256() looks for an implementation each time, which takes as long as a short text's digest.
    static EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                                       &EVP_MD_CTX_free);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    if (!EVP_DigestInit_ex2(context.get(), method, nullptr) ||
        !EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) ||
        !EVP_DigestFinal_ex(context.get(), digest.data(), nullptr))
        throw std::bad_alloc();
    return digest;
}

}  // namespace

std::string sha256_hex(std::string_view bytes) {
    const auto digest = sha256(bytes);
    return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string hmac_sha256(std::string_view key, std::string_view bytes) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    if (!HMAC(EVP_sha256(), key.data(), int(key.size()), reinterpret_cast<const unsigned char*>(bytes.data()),
              bytes.size(), digest.data(), nullptr))
        throw std::bad_alloc();
    return {digest.begin(), digest.end()};
}

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(bytes.size() * 2, '\0');
    char* out = text.data();
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    return text;
}

std::string sha256_base64(std::string_view bytes) {
    const auto digest = sha256(bytes);
    std::array<unsigned char, (SHA256_DIGEST_LENGTH + 2) / 3 * 4 + 1> text;  // and the NUL that OpenSSL adds
    const int size = EVP_EncodeBlock(text.data(), digest.data(), int(digest.size()));
    return {text.begin(), text.begin() + size};
}

bool equal_constant_time(std::string_view given, std::string_view expected) {
    // Comparing digests of equal size hides the length of the expected text too.
    const auto a = sha256(given), b = sha256(expected);
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tertulia::base
