#include "tertulia/api/auth.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

TEST(Auth, the_right_token_is_let_in) {
    const base::Secret token("s3cret");
    for (const std::string_view header : {"Bearer s3cret", "bearer s3cret", "BEARER   s3cret"})
        EXPECT_TRUE(check_bearer(header, token).has_value()) << header;
}

TEST(Auth, anything_else_is_not) {
    const base::Secret token("s3cret");
    for (const std::string_view header : {"", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret ", "Bearer s3crets",
                                          "Basic s3cret", "s3cret", "Bearers3cret", "Bearer S3CRET"}) {
        const auto checked = check_bearer(header, token);
        ASSERT_FALSE(checked.has_value()) << header;
        EXPECT_EQ(checked.error().code, base::Errc::unauthenticated);
        EXPECT_EQ(checked.error().message.find("s3cret"), std::string::npos);
    }
}

TEST(Auth, loopback_hosts) {
    for (const std::string_view host : {"localhost", "localhost:8080", "LocalHost", "127.0.0.1", "127.0.0.1:1",
                                        "127.255.0.9:65535", "[::1]", "[::1]:8080"})
        EXPECT_TRUE(is_loopback_host(host)) << host;
}

TEST(Auth, other_hosts) {
    for (const std::string_view host : {"",
                                        "evil.example",
                                        "evil.example:8080",
                                        "localhost.evil.example",
                                        "127.0.0.1.evil.example",
                                        "127.0.0.1.5",
                                        "127.0.0",
                                        "127.0.0.256",
                                        "127.0.0.1x",
                                        "128.0.0.1",
                                        "0.0.0.0",
                                        "192.168.1.1:80",
                                        "[::2]",
                                        "[::1",
                                        "::1",
                                        "[",
                                        "[::1]x",
                                        "[::1]:",
                                        "localhost:",
                                        "localhost:x",
                                        "localhost:65536",
                                        "localhost:80:80",
                                        "127..0.1",
                                        "127.0.0.",
                                        "localhost/",
                                        "user@localhost"})
        EXPECT_FALSE(is_loopback_host(host)) << host;
}

}  // namespace
}  // namespace tertulia::api
