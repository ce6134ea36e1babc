#include "tertulia/api/cors.h"

#include <gtest/gtest.h>

namespace tertulia::api {
namespace {

http::Request request(std::string method, std::string origin) {
    http::Request request;
    request.method = std::move(method);
    if (!origin.empty()) request.headers.add("Origin", std::move(origin));
    return request;
}

std::string_view allowed(const Cors& cors, const std::string& origin) {
    static http::Headers headers;
    headers.clear();
    cors.add_headers(request("POST", origin), headers);
    return headers.get("access-control-allow-origin", "nobody");
}

TEST(Cors, is_off_without_origins) {
    const Cors cors({});
    EXPECT_FALSE(cors.enabled());
    http::Headers headers;
    cors.add_headers(request("POST", "https://app.example"), headers);
    EXPECT_TRUE(headers.fields().empty());
    http::Request preflight = request("OPTIONS", "https://app.example");
    preflight.headers.add("Access-Control-Request-Method", "POST");
    EXPECT_FALSE(cors.is_preflight(preflight));
}

TEST(Cors, lets_the_named_origins_read_and_no_others) {
    const Cors cors({"https://app.example", "http://localhost:3000"});
    EXPECT_EQ(allowed(cors, "https://app.example"), "https://app.example");
    EXPECT_EQ(allowed(cors, "http://localhost:3000"), "http://localhost:3000");
    for (const std::string origin :
         {"https://evil.example", "http://app.example", "https://app.example.evil", "null", ""})
        EXPECT_EQ(allowed(cors, origin), "nobody") << origin;
}

TEST(Cors, a_star_lets_everybody_read) {
    EXPECT_EQ(allowed(Cors({"*"}), "https://any.example"), "*");
}

TEST(Cors, tells_caches_that_the_answer_depends_on_the_origin) {
    http::Headers headers;
    Cors({"https://app.example"}).add_headers(request("GET", ""), headers);
    EXPECT_EQ(headers.get("vary"), "origin");
}

TEST(Cors, a_preflight_is_an_options_request_that_asks_for_a_method) {
    const Cors cors({"https://app.example"});
    http::Request preflight = request("OPTIONS", "https://app.example");
    EXPECT_FALSE(cors.is_preflight(preflight));
    preflight.headers.add("Access-Control-Request-Method", "POST");
    EXPECT_TRUE(cors.is_preflight(preflight));
    preflight.method = "POST";
    EXPECT_FALSE(cors.is_preflight(preflight));
    const http::Response plain = cors.preflight(preflight);
    EXPECT_EQ(plain.status, 204);
    EXPECT_EQ(plain.headers.get("access-control-allow-methods"), "GET, POST, DELETE");
    EXPECT_EQ(plain.headers.get("access-control-allow-headers"),
              "authorization, content-type, last-event-id, idempotency-key, prefer");
    preflight.headers.add("Access-Control-Request-Headers", "x-stainless-os,content-type");
    EXPECT_EQ(cors.preflight(preflight).headers.get("access-control-allow-headers"), "x-stainless-os,content-type");
}

}  // namespace
}  // namespace tertulia::api
