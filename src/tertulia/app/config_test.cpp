#include "tertulia/app/config.h"

#include <gtest/gtest.h>

namespace tertulia::app {
namespace {

TEST(ParseListen, TakesHostAndPort) {
    const struct {
        std::string_view text, host;
        int port;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080, true},
        {"localhost:0", "localhost", 0, true},
        {"[::1]:65535", "::1", 65535, true},
        {"0.0.0.0:80", "0.0.0.0", 80, false},
        {"[::]:8080", "::", 8080, false},
        {"127.5.6.7:1", "127.5.6.7", 1, true},
        {"10.0.0.1:1", "10.0.0.1", 1, false},
        {"example.org:1", "example.org", 1, false},
    };
    for (const auto& row : rows) {
        const auto address = parse_listen(row.text);
        ASSERT_TRUE(address) << row.text;
        EXPECT_EQ(address->host, row.host);
        EXPECT_EQ(address->port, row.port);
        EXPECT_EQ(address->is_loopback(), row.loopback) << row.text;
    }
}

TEST(ParseListen, RefusesWhatIsNoAddress) {
    for (const std::string_view text : {"", "8080", ":8080", "localhost", "localhost:", "localhost:x",
                                        "localhost:65536", "localhost:-1", "::1:80", "[]:80", "a:1 "}) {
        EXPECT_FALSE(parse_listen(text)) << text;
    }
}

}  // namespace
}  // namespace tertulia::app
