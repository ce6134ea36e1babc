#include "tertulia/http/message.h"

#include <gtest/gtest.h>

#include "tertulia/http/percent.h"

namespace tertulia::http {
namespace {

TEST(Headers, are_found_in_any_case_the_first_one_first) {
    Headers headers;
    headers.add("Content-Type", "a");
    headers.add("content-type", "b");
    ASSERT_NE(headers.find("CONTENT-TYPE"), nullptr);
    EXPECT_EQ(*headers.find("CONTENT-TYPE"), "a");
    EXPECT_EQ(headers.find("content"), nullptr);
    EXPECT_EQ(headers.get("x", "none"), "none");
}

TEST(Request, finds_query_parameters_decoded) {
    Request request;
    request.target = "/a?limit=5&after=2024-01-01T00%3A00%3A00Z&empty=&bare&a+b=c+d&limit=6&bad=%zz&b%6Cue=1";
    EXPECT_EQ(request.query("limit"), "5");
    EXPECT_EQ(request.query("after"), "2024-01-01T00:00:00Z");
    EXPECT_EQ(request.query("empty"), "");
    EXPECT_EQ(request.query("bare"), "");
    EXPECT_EQ(request.query("a b"), "c d");
    EXPECT_EQ(request.query("bad"), "%zz");
    EXPECT_EQ(request.query("blue"), "1");
    EXPECT_EQ(request.query("none"), std::nullopt);
    request.target = "/a";
    EXPECT_EQ(request.query("limit"), std::nullopt);
}

TEST(PercentDecode, refuses_half_escapes_and_nul) {
    EXPECT_EQ(percent_decode("a%2Fb%c3%A9+"), "a/b\xc3\xa9+");
    EXPECT_EQ(percent_decode("+", true), " ");
    for (const char* bad : {"%", "%1", "a%g0", "%0g", "%00", "a%00b"})
        EXPECT_EQ(percent_decode(bad), std::nullopt) << bad;
}

TEST(MediaType, is_compared_without_parameters_and_case) {
    EXPECT_TRUE(is_media_type("application/json", "application/json"));
    EXPECT_TRUE(is_media_type(" Application/JSON ; charset=utf-8", "application/json"));
    EXPECT_FALSE(is_media_type("application/jsonx", "application/json"));
    EXPECT_FALSE(is_media_type("", "application/json"));
}

}  // namespace
}  // namespace tertulia::http
