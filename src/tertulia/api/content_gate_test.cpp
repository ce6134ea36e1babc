#include "tertulia/api/content_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tertulia/http/request_parser.h"

namespace tertulia::api {
namespace {

using testing::HasSubstr;

ContentLimits limits(std::size_t body, std::size_t content, std::size_t memory) {
    return {.body_bytes = body, .content_bytes = content, .memory = std::make_shared<base::MemoryCeiling>(memory)};
}

TEST(ContentGate, a_body_may_be_large_where_its_content_begins_early) {
    const ContentLimits some = limits(20, 1000, 1000);
    ContentGate early(some);
    EXPECT_EQ(early.limit(), 1000u);
    EXPECT_TRUE(early.take(R"({"content":["aaaaaaaaaaaaaaaaaaaaaaaaa)"));
    EXPECT_TRUE(early.take(std::string(900, 'a')));

    ContentGate without(some);
    EXPECT_TRUE(without.take(R"({"message":"aaaaaaaa)"));
    const auto refused = without.take("a");
    EXPECT_EQ(refused.error().code, base::Errc::too_large);
    EXPECT_THAT(refused.error().message, HasSubstr("longer than 20 bytes, or than 1000 where a 'content' begins"));

    ContentGate late(some);
    EXPECT_EQ(late.take(R"({"message":"aaaaaaaaaaa","content":[]})").error().code, base::Errc::too_large);
}

TEST(ContentGate, all_bodies_together_stay_below_the_ceiling_and_give_back_what_they_took) {
    const ContentLimits some = limits(20, 1000, 100);
    auto first = std::make_unique<ContentGate>(some);
    EXPECT_TRUE(first->take(R"({"content":)" + std::string(70, ' ')));
    ContentGate second(some);
    const auto refused = second.take(R"({"content":["aaaaaa"]})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, base::Errc::unavailable);
    EXPECT_TRUE(refused.error().retry_after);
    ContentGate plain(some);
    EXPECT_TRUE(plain.take(R"({"message":"a"})")) << "a small one without content";
    first.reset();
    EXPECT_EQ(some.memory->used(), 0u);
    EXPECT_TRUE(second.take(R"({"content":["aaaaaa"]})"));
}

// One client that sends a large body slowly.
struct Upload {
    http::RequestParser parser;
    std::size_t sent = 0;
    bool is_over = false;
};

TEST(ContentGate, a_thousand_slow_uploads_do_not_hold_more_than_the_ceiling) {
    constexpr std::size_t ceiling = 4 << 20, count = 1000;
    const ContentLimits some = limits(4 << 10, 64 << 10, ceiling);
    const std::string body = R"({"content":")" + std::string((48 << 10) - 13, 'a') + "}";
    const std::string request =
        "POST /chat HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    std::mt19937 random(3);
    std::vector<Upload> uploads;
    for (std::size_t i = 0; i < count; ++i)
        uploads.push_back({.parser = http::RequestParser({.body = some.body_bytes})});
    std::size_t left = count, whole = 0, refused = 0, most_held = 0;
    while (left > 0) {
        Upload& upload = uploads[std::uniform_int_distribution<std::size_t>(0, count - 1)(random)];
        if (upload.is_over) continue;
        std::string_view piece =
            std::string_view(request).substr(upload.sent, std::uniform_int_distribution<std::size_t>(1, 3000)(random));
        upload.sent += piece.size();
        for (bool has_more = true; has_more;) {
            const auto step = upload.parser.feed(piece);
            has_more = step && *step == http::RequestParser::Step::head;
            if (has_more) upload.parser.request().body_gate = std::make_shared<ContentGate>(some);
            upload.is_over = !step || *step == http::RequestParser::Step::complete;
            if (!step) {
                ASSERT_EQ(step.error().code, base::Errc::unavailable);
                ++refused;
            } else if (upload.is_over) {
                ASSERT_EQ(upload.parser.request().body, body);
                ++whole;
            }
        }
        if (upload.is_over) {
            upload.parser.next();
            --left;
        }
        std::size_t held = 0;
        if (left % 100 == 0)
            for (Upload& one : uploads) held += one.parser.request().body.size();
        most_held = std::max(most_held, held);
        ASSERT_LE(some.memory->used(), ceiling);
    }
    EXPECT_LE(most_held, ceiling);
    EXPECT_GT(most_held, ceiling / 2) << "the test fills it";
    EXPECT_GT(whole, 50u);
    EXPECT_GT(refused, 50u);
    EXPECT_EQ(some.memory->used(), 0u);
}

}  // namespace
}  // namespace tertulia::api
