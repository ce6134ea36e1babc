#include "tertulia/http/url.h"

#include <gtest/gtest.h>

namespace tertulia::http {
namespace {

TEST(Url, is_parsed_with_the_scheme_s_own_port) {
    struct Case {
        const char* text;
        bool tls;
        const char* host;
        int port;
        const char* target;
        const char* authority;
    };
    for (const Case& c : {
             Case{"http://example.com", false, "example.com", 80, "/", "example.com"},
             Case{"https://API.Example.com/v1/messages", true, "api.example.com", 443, "/v1/messages",
                  "api.example.com"},
             Case{"https://a:8443/x?y=%20z", true, "a", 8443, "/x?y=%20z", "a:8443"},
             Case{"http://127.0.0.1:9/", false, "127.0.0.1", 9, "/", "127.0.0.1:9"},
             Case{"http://[::1]:80/a", false, "::1", 80, "/a", "[::1]"},
             Case{"HTTP://a?q=1", false, "a", 80, "/?q=1", "a"},
         }) {
        const auto url = parse_url(c.text);
        ASSERT_TRUE(url) << c.text;
        EXPECT_EQ(url->tls, c.tls) << c.text;
        EXPECT_EQ(url->host, c.host) << c.text;
        EXPECT_EQ(url->port, c.port) << c.text;
        EXPECT_EQ(url->target, c.target) << c.text;
        EXPECT_EQ(url->authority(), c.authority) << c.text;
    }
}

TEST(Url, is_refused_where_it_cannot_be_called) {
    for (const char* text : {"", "example.com", "/path", "ftp://a/", "http://", "http:///x",
                             "http://127.0.0.1.example.com/", "http://a:0/", "http://a:99999/", "http://a b/",
                             "http://a/\r\nX: y", "http://a/#b", "file:///etc/passwd", "http://a%0d%0ab/"})
        EXPECT_FALSE(parse_url(text)) << text;
    const auto with_password = parse_url("http://user:hunter2@a/");
    ASSERT_FALSE(with_password);
    EXPECT_EQ(with_password.error().message.find("hunter2"), std::string::npos);
    for (const char* text : {"http://user:hunter2 x@a/", "ftp://a/?key=hunter2", "http://a/?key=hunter2#part"}) {
        const auto refused = parse_url(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().message.find("hunter2"), std::string::npos) << text;
    }
}

}  // namespace
}  // namespace tertulia::http
