#include "tertulia/api/page_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tertulia/async/worker.h"

namespace tertulia::api {

extern const std::string_view page_html;

namespace {

using testing::HasSubstr;

class KeptResponse final : public http::ResponseWriter {
  public:
    async::Task<bool> respond(http::Response response) override {
        head = std::move(response);
        co_return true;
    }
    async::Task<bool> start_stream(http::Response) override { co_return false; }
    async::Task<bool> write(std::string_view) override { co_return false; }
    async::Task<bool> finish() override { co_return false; }
    bool started() const override { return head.status != 0; }

    http::Response head{.status = 0, .content_type = {}, .headers = {}, .body = {}};
};

http::Response get(std::string if_none_match = {}) {
    http::Request request;
    if (!if_none_match.empty()) request.headers.add("If-None-Match", std::move(if_none_match));
    KeptResponse kept;
    PageHandler handler;
    async::Worker worker([](const std::string& what) { ADD_FAILURE() << what; });
    worker.start("test");
    worker.run_until_done(handler.page(request, kept));
    worker.join();
    return kept.head;
}

TEST(ContentSecurityPolicyTest, names_each_inline_script_and_style_by_its_hash) {
    const std::string policy = content_security_policy("<style>a</style><script>abc</script><p><script></script>");
    EXPECT_THAT(policy, HasSubstr("style-src 'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=';"));
    EXPECT_THAT(policy, HasSubstr("script-src 'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=' "
                                  "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=';"));
    EXPECT_THAT(content_security_policy("<p>"), HasSubstr("script-src 'none'; style-src 'none';"));
}

TEST(PageHandlerTest, the_page_comes_with_a_strict_policy) {
    const http::Response page = get();
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_EQ(page.body, page_html);
    EXPECT_EQ(page.headers.get("cache-control"), "no-cache");
    EXPECT_EQ(page.headers.get("x-content-type-options"), "nosniff");
    const std::string policy(page.headers.get("content-security-policy"));
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_EQ(policy.find("unsafe"), std::string::npos);
}

TEST(PageHandlerTest, a_client_that_has_the_page_gets_304) {
    const std::string etag(get().headers.get("etag"));
    ASSERT_GT(etag.size(), 2U);
    for (const std::string& given : {etag, "W/\"other\", " + etag}) {
        const http::Response page = get(given);
        EXPECT_EQ(page.status, 304);
        EXPECT_EQ(page.body, "");
        EXPECT_EQ(page.headers.get("etag"), etag);
    }
    EXPECT_EQ(get("\"other\"").status, 200);
}

// What the policy would refuse, and what could run a model's text.
TEST(PageHandlerTest, the_page_has_nothing_from_elsewhere_and_no_markup_from_text) {
    for (const char* refused :
         {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "src=\"http", "@import", "url(",
          " style=", " onclick=", " onload=", " onerror=", " oninput=", " onsubmit=", " onkeydown="})
        EXPECT_EQ(page_html.find(refused), std::string_view::npos) << refused;
}

}  // namespace
}  // namespace tertulia::api
