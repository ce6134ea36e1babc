#include "tertulia/http/websocket_handshake.h"

#include <gtest/gtest.h>

namespace tertulia::http {
namespace {

Request handshake(std::vector<std::pair<std::string, std::string>> changed = {}) {
    std::vector<std::pair<std::string, std::string>> fields{{"Upgrade", "websocket"},
                                                            {"Connection", "Upgrade"},
                                                            {"Sec-WebSocket-Version", "13"},
                                                            {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}};
    Request request;
    for (auto& [name, value] : fields) {
        for (const auto& [other, replacement] : changed)
            if (other == name) value = replacement;
        if (!value.empty()) request.headers.add(name, value);
    }
    return request;
}

TEST(WebSocketHandshake, answers_the_key_as_the_rfc_does) {
    const auto accept = check_websocket_handshake(handshake());
    ASSERT_TRUE(accept);
    EXPECT_EQ(*accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocketHandshake, takes_the_fields_in_any_form_that_http_allows) {
    EXPECT_TRUE(check_websocket_handshake(handshake({{"Upgrade", "h2c, WebSocket"}})));
    EXPECT_TRUE(check_websocket_handshake(handshake({{"Connection", "keep-alive ,upgrade"}})));
    Request two_lines = handshake({{"Connection", "keep-alive"}});
    two_lines.headers.add("connection", "UPGRADE");
    EXPECT_TRUE(check_websocket_handshake(two_lines));
}

TEST(WebSocketHandshake, refuses_what_is_none) {
    struct Case {
        int status;
        std::string field, value;
    };
    for (const Case& c : {
             Case{426, "Upgrade", ""},
             Case{426, "Upgrade", "websockets"},
             Case{426, "Upgrade", "h2c"},
             Case{426, "Connection", ""},
             Case{426, "Connection", "keep-alive"},
             Case{426, "Sec-WebSocket-Version", ""},
             Case{426, "Sec-WebSocket-Version", "8"},
             Case{426, "Sec-WebSocket-Version", "013"},
             Case{400, "Sec-WebSocket-Key", ""},
             Case{400, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"},
             Case{400, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==="},
             Case{400, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZ*=="},
             Case{400, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==, x"},
         }) {
        const auto refused = check_websocket_handshake(handshake({{c.field, c.value}}));
        ASSERT_FALSE(refused) << c.field << ": " << c.value;
        EXPECT_EQ(refused.error().status, c.status) << c.field << ": " << c.value;
    }
    Request twice = handshake(), old = handshake(), with_body = handshake();
    twice.headers.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    old.is_http_1_0 = true;
    with_body.body = "x";
    for (const Request& request : {twice, old, with_body}) {
        const auto refused = check_websocket_handshake(request);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().status, 400);
    }
}

TEST(WebSocketHandshake, lists_the_subprotocols_in_the_clients_order) {
    Request request = handshake();
    EXPECT_TRUE(offered_subprotocols(request).empty());
    request.headers.add("Sec-WebSocket-Protocol", "tertulia, tertulia.token.x");
    request.headers.add("sec-websocket-protocol", ",last ");
    EXPECT_EQ(offered_subprotocols(request), (std::vector<std::string_view>{"tertulia", "tertulia.token.x", "last"}));
}

}  // namespace
}  // namespace tertulia::http
