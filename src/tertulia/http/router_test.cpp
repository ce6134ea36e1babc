#include "tertulia/http/router.h"

#include <gtest/gtest.h>

namespace tertulia::http {
namespace {

Router example() {
    Router router;
    for (const auto& [method, pattern] :
         {std::pair("GET", "/"), std::pair("GET", "/sessions"), std::pair("GET", "/sessions/{id}/messages"),
          std::pair("DELETE", "/sessions/{id}"), std::pair("POST", "/chat"), std::pair("GET", "/sessions/{id}")})
        router.add(method, pattern, {});
    return router;
}

struct Found {
    std::string pattern, allow, id;
    bool operator==(const Found&) const = default;
};
void PrintTo(const Found& f, std::ostream* out) {
    *out << f.pattern << '|' << f.allow << '|' << f.id;
}

Found find(std::string method, std::string target) {
    static const Router router = example();
    Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    const auto match = router.find(request);
    return {match.route ? match.route->pattern : "", match.allow, std::string(request.parameter("id"))};
}

TEST(Router, finds_the_route_of_method_and_path) {
    EXPECT_EQ(find("GET", "/"), (Found{"/", "", ""}));
    EXPECT_EQ(find("HEAD", "/sessions"), (Found{"/sessions", "", ""}));
    EXPECT_EQ(find("GET", "/sessions?limit=1"), (Found{"/sessions", "", ""}));
    EXPECT_EQ(find("GET", "/sessions/abc/messages?x=/y"), (Found{"/sessions/{id}/messages", "", "abc"}));
    EXPECT_EQ(find("GET", "/sessions/a%3Ab"), (Found{"/sessions/{id}", "", "a:b"}));
    EXPECT_EQ(find("GET", "/se%73sions/x"), (Found{"/sessions/{id}", "", "x"}));
    EXPECT_EQ(find("GET", "/sessions/a%2Fmessages"), (Found{"/sessions/{id}", "", "a/messages"}));
}

TEST(Router, says_which_methods_a_known_path_has) {
    EXPECT_EQ(find("GET", "/chat"), (Found{"", "POST", ""}));
    EXPECT_EQ(find("PUT", "/sessions/x"), (Found{"", "DELETE, GET, HEAD", ""}));
}

TEST(Router, knows_no_other_paths) {
    for (const char* target :
         {"/chat/", "//", "/sessions/", "/sessions//messages", "/x", "*", "", "/sessions/%zz", "/Chat"})
        EXPECT_EQ(find("GET", target), Found()) << target;
}

}  // namespace
}  // namespace tertulia::http
