#include "tertulia/api/auth.h"

#include <gtest/gtest.h>

#include <optional>

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

http::Request with(std::initializer_list<std::pair<std::string, std::string>> fields) {
    http::Request request;
    for (const auto& [name, value] : fields) request.headers.add(name, value);
    return request;
}

TEST(Auth, a_socket_may_bear_its_token_as_a_subprotocol) {
    const base::Secret token("s3cret");
    const std::vector<http::Request> good = {
        with({{"authorization", "Bearer s3cret"}}),
        with({{"sec-websocket-protocol", "tertulia, tertulia.token.s3cret"}}),
        with({{"sec-websocket-protocol", "tertulia.token.s3cret"}}),
        with({{"sec-websocket-protocol", "s3cret"}}),
        with({{"sec-websocket-protocol", "tertulia, s3cret"}}),
        with({{"Sec-WebSocket-Protocol", "other"}, {"Sec-WebSocket-Protocol", " tertulia.token.s3cret "}}),
        with({{"sec-websocket-protocol", "tertulia.token.wrong,tertulia.token.s3cret"}}),
        with({{"sec-websocket-protocol", "tertulia.token.wrong"}, {"authorization", "Bearer s3cret"}}),
    };
    for (std::size_t i = 0; i < good.size(); ++i) EXPECT_TRUE(check_socket_bearer(good[i], token)) << i;
}

TEST(Auth, a_socket_without_it_is_not_let_in) {
    const base::Secret token("s3cret");
    const std::vector<http::Request> bad = {
        with({}),
        with({{"authorization", "Bearer wrong"}}),
        with({{"sec-websocket-protocol", "tertulia"}}),
        with({{"sec-websocket-protocol", "tertulia.token."}}),
        with({{"sec-websocket-protocol", "tertulia.token.s3cre"}}),
        with({{"sec-websocket-protocol", "tertulia.token.s3crets"}}),
        with({{"sec-websocket-protocol", "tertulia.token.S3CRET"}}),
        with({{"sec-websocket-protocol", "Tertulia.Token.s3cret"}}),
        with({{"x-protocol", "tertulia.token.s3cret"}}),
    };
    for (std::size_t i = 0; i < bad.size(); ++i) {
        const auto checked = check_socket_bearer(bad[i], token);
        ASSERT_FALSE(checked) << i;
        EXPECT_EQ(checked.error().code, base::Errc::unauthenticated);
        EXPECT_EQ(checked.error().message.find("s3cret"), std::string::npos);
    }
}

TEST(Auth, pages_of_this_server_and_of_the_allowed_origins_may_open_sockets) {
    const std::vector<std::string> none, some{"https://app.example", "http://localhost:3000"}, all{"*"};
    struct Case {
        std::optional<std::string> origin;
        std::string host;
        const std::vector<std::string>& allowed;
        bool expected;
    };
    const std::vector<Case> cases = {
        {std::nullopt, "h:8080", none, true},
        {"http://h:8080", "h:8080", none, true},
        {"https://h:8080", "h:8080", none, true},
        {"https://chat.example", "chat.example", none, true},
        {"https://app.example", "h", some, true},
        {"http://localhost:3000", "h", some, true},
        {"https://evil.example", "h", all, true},
        {"null", "h", all, true},
        {"https://evil.example", "h:8080", none, false},
        {"https://evil.example", "h:8080", some, false},
        {"http://app.example", "h", some, false},  // another scheme is another origin
        {"https://app.example:444", "h", some, false},
        {"https://app.example.evil.example", "h", some, false},
        {"http://h", "h:8080", none, false},
        {"http://h:8081", "h:8080", none, false},
        {"http://h:8080.evil.example", "h:8080", none, false},
        {"h:8080", "h:8080", none, false},
        {"ftp://h:8080", "h:8080", none, false},
        {"null", "null", none, false},
        {"", "", none, false},
        {"http://", "", none, false},
        {"https://app.example/", "h", some, false},
    };
    for (const Case& one : cases) {
        http::Request request;
        if (!one.host.empty()) request.headers.add("host", one.host);
        if (one.origin) request.headers.add("origin", *one.origin);
        EXPECT_EQ(is_allowed_origin(request, one.allowed), one.expected)
            << one.origin.value_or("(none)") << " at " << one.host;
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
