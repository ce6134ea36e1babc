#include "tertulia/base/secret.h"

#include <gtest/gtest.h>

#include "tertulia/base/crypto.h"

namespace tertulia::base {
namespace {

TEST(Secret, PrintsAsStars) {
    const Secret secret("sk-123");
    EXPECT_EQ(fmt::format("{}", secret), "***");
    EXPECT_EQ(secret.reveal(), "sk-123");
}

TEST(Redact, TakesEveryOccurrenceOut) {
    EXPECT_EQ(redact("Bearer sk-123, again sk-123.", Secret("sk-123")), "Bearer ***, again ***.");
    EXPECT_EQ(redact("text", Secret()), "text");
}

TEST(Crypto, HashesAndCompares) {
    EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(sha256_base64("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    EXPECT_TRUE(equal_constant_time("token", "token"));
    EXPECT_FALSE(equal_constant_time("token", "token2"));
    EXPECT_FALSE(equal_constant_time("", "token"));
}

}  // namespace
}  // namespace tertulia::base
