#include "tertulia/api/content_scanner.h"

#include <gtest/gtest.h>

#include <string>

namespace tertulia::api {
namespace {

// How many bytes it needs to find the name; 0: it does not.
std::size_t found_after(std::string_view text) {
    ContentScanner scanner;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (scanner.feed(text.substr(i, 1))) return i + 1;
    return 0;
}

TEST(ContentScanner, finds_a_member_of_the_top_level_alone_wherever_it_is_cut) {
    const std::pair<std::string_view, std::size_t> cases[] = {
        {R"({"content":[]})", 10},
        {" \r\n\t{ \"content\" : 1}", 15},
        {R"({"a":1,"content":[]})", 16},
        {R"({"a":"content","b":["content",{"content":1}],"c":{"content":[1,"}"]},"content":1})", 78},
        {R"({"a":"\"}","content":1})", 20},
        {R"({"a":"\\","content":1})", 19},
        {R"({"message":"x"})", 0},
        {R"({"a":"content"})", 0},
        {R"({"a":{"content":1}})", 0},
        {R"({"a":["content"]})", 0},
        {R"({"contents":1,"conten":2,"xcontent":3,"Content":4,"":5,"a\"content":6})", 0},
        {R"({"\u0063ontent":1})", 0},
        {R"({}{"content":1})", 0},
        {R"({"a":1}],"content":1})", 0},
        {R"([{"content":1}])", 0},
        {R"("content")", 0},
        {"", 0},
    };
    for (const auto& [text, size] : cases) {
        EXPECT_EQ(found_after(text), size) << text;
        for (std::size_t cut = 0; cut <= text.size(); ++cut) {
            ContentScanner scanner;
            scanner.feed(text.substr(0, cut));
            EXPECT_EQ(scanner.found(), size > 0 && cut >= size) << text << " cut at " << cut;
            EXPECT_EQ(scanner.feed(text.substr(cut)), size > 0) << text << " cut at " << cut;
        }
    }
}

}  // namespace
}  // namespace tertulia::api
