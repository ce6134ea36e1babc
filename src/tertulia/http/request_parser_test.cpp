#include "tertulia/http/request_parser.h"

#include <gtest/gtest.h>

#include "tertulia/http/body_gate.h"

namespace tertulia::http {
namespace {

struct Outcome {
    std::vector<std::string> requests = {};  // "METHOD target body"
    int status = 0;                          // of the refusal
    std::string unfinished = {};
    bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& o, std::ostream* out) {
    for (const auto& request : o.requests) *out << '[' << request << ']';
    *out << ' ' << o.status << ' ' << o.unfinished;
}

RequestLimits small_limits() {
    return {.head = 256, .fields = 5, .body = 20};
}

Outcome parse(const std::vector<std::string_view>& pieces, RequestLimits limits = small_limits()) {
    RequestParser parser(limits);
    Outcome outcome;
    for (std::string_view bytes : pieces) {
        for (;;) {
            const auto step = parser.feed(bytes);
            if (!step) {
                outcome.status = step.error().status;
                return outcome;
            }
            if (*step == RequestParser::Step::need_more) break;
            if (*step == RequestParser::Step::head) continue;
            const Request request = parser.take();
            outcome.requests.push_back(request.method + " " + request.target + " " + request.body);
        }
    }
    outcome.unfinished = parser.has_begun() ? (parser.has_head() ? "body" : "head") : "";
    return outcome;
}

void expect_at_every_cut(std::string_view text, const Outcome& expected) {
    EXPECT_EQ(parse({text}), expected) << text;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i > 0) EXPECT_EQ(parse({text.substr(0, i), text.substr(i)}), expected) << text << " cut at " << i;
        bytes.push_back(text.substr(i, 1));
    }
    EXPECT_EQ(parse(bytes), expected) << text << " byte by byte";
}

TEST(RequestParser, reads_requests_one_after_the_other_wherever_they_are_cut) {
    expect_at_every_cut("GET / HTTP/1.1\r\nHost: a\r\n\r\n", {{"GET / "}});
    expect_at_every_cut("POST /chat?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", {{"POST /chat?x=1 abc"}});
    expect_at_every_cut(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        {{"POST / abc"}});
    expect_at_every_cut(
        "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\naGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
        "\r\nGET /3 HTTP/1.0\r\n\r\nGET /4",
        {{"POST /1 a", "GET /2 ", "GET /3 "}, 0, "head"});
    expect_at_every_cut("\r\n\r\nGET / HTTP/1.1\r\nhOST: a\r\nContent-Length: 0\r\n\r\n", {{"GET / "}});
    expect_at_every_cut("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab", {{}, 0, "body"});
    expect_at_every_cut("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", {{"OPTIONS * "}});
    expect_at_every_cut("GET http://x/a?b HTTP/1.1\r\nHost: a\r\n\r\n", {{"GET /a?b "}});
    expect_at_every_cut("GET http://x HTTP/1.1\r\nHost: a\r\n\r\n", {{"GET / "}});
}

TEST(RequestParser, refuses_what_two_parsers_could_read_differently) {
    struct Case {
        int status;
        std::string text;
    };
    using namespace std::string_literals;
    const std::string host = "Host: a\r\n", head = "POST / HTTP/1.1\r\n" + host;
    const std::vector<Case> cases = {
        {400, "GET / HTTP/1.1\nHost: a\n\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
        {400, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {400, head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
        {400, head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"},
        {400, head + "Content-Length: 1, 1\r\n\r\n"},
        {400, head + "Content-Length: +1\r\n\r\n"},
        {400, head + "Content-Length: -1\r\n\r\n"},
        {400, head + "Content-Length: 0x1\r\n\r\n"},
        {400, head + "Content-Length: 1 1\r\n\r\n"},
        {400, head + "Content-Length:\r\n\r\n"},
        {400, head + "Content-Length: 99999999999999999999\r\n\r\n"},
        {400, head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {501, head + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
        {501, head + "Transfer-Encoding: identity\r\n\r\n"},
        {501, head + "Transfer-Encoding: xchunked\r\n\r\n"},
        {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {400, head + "X: a\r\n b\r\n\r\n"},
        {400, head + "X: a\r\n\tb\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        {400, head + "X : a\r\n\r\n"},
        {400, head + ": a\r\n\r\n"},
        {400, head + "X\r\n\r\n"},
        {400, head + "X: a\0b\r\n\r\n"s},
        {400, head + "X\0: a\r\n\r\n"s},
        {400, head + "X: a\rb\r\n\r\n"},
        {400, head + "X: \x7f\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
        {400, "GET  / HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET / HTTP/1.1 \r\n" + host + "\r\n"},
        {400, "GET /\r\n" + host + "\r\n"},
        {400, "GET / http/1.1\r\n" + host + "\r\n"},
        {400, "GET / HTTP/1.1x\r\n" + host + "\r\n"},
        {400, "G@T / HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET a HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET * HTTP/1.1\r\n" + host + "\r\n"},
        {400, "CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET http:/// HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET http://u@h/ HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET /#a HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET /\xc3\xa9 HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET /%zz HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET /%00 HTTP/1.1\r\n" + host + "\r\n"},
        {400, "GET /\0 HTTP/1.1\r\n"s + host + "\r\n"},
        {505, "GET / HTTP/2.0\r\n" + host + "\r\n"},
        {505, "GET / HTTP/1.2\r\n" + host + "\r\n"},
        {417, head + "Content-Length: 1\r\nExpect: something\r\n\r\n"},
        {400, head + "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"},
        {400, head + "Transfer-Encoding: chunked\r\n\r\nz\r\n"},
        {400, head + "Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n"},
    };
    for (const Case& c : cases) expect_at_every_cut(c.text, {{}, c.status, ""});
}

TEST(RequestParser, has_limits) {
    const std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    const std::string fits = head + "X: " + std::string(256 - head.size() - 7, 'x') + "\r\n\r\n";
    ASSERT_EQ(fits.size(), 256u);
    expect_at_every_cut(fits, {{"GET / "}});
    std::string longer = fits;
    longer.insert(head.size() + 3, "x");
    expect_at_every_cut(longer, {{}, 431, ""});
    EXPECT_EQ(parse({std::string(300, 'G')}).status, 431);
    EXPECT_EQ(parse({head + "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\n\r\n"}).status, 431);
    EXPECT_EQ(parse({head + "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n"}).status, 0);

    const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
    EXPECT_EQ(parse({post + "Content-Length: 20\r\n\r\n" + std::string(20, 'x')}).status, 0);
    EXPECT_EQ(parse({post + "Content-Length: 21\r\n\r\n"}).status, 413) << "told before a byte of it came";
    EXPECT_EQ(
        parse({post + "Transfer-Encoding: chunked\r\n\r\n14\r\n" + std::string(20, 'x') + "\r\n0\r\n\r\n"}).status, 0);
    EXPECT_EQ(parse({post + "Transfer-Encoding: chunked\r\n\r\n15\r\n" + std::string(21, 'x')}).status, 413);
    EXPECT_EQ(parse({post + "Transfer-Encoding: chunked\r\n\r\nb\r\n" + std::string(11, 'x') + "\r\nb\r\n" +
                     std::string(11, 'x')})
                  .status,
              413);
}

TEST(RequestParser, tells_whether_the_connection_goes_on) {
    struct Case {
        std::string text;
        bool keep_alive, expects_continue;
    };
    for (const Case& c : {
             Case{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
             Case{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false, false},
             Case{"GET / HTTP/1.0\r\n\r\n", false, false},
             Case{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false},
             Case{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", true, true},
             Case{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", true, false},
             Case{"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", false, false},
         }) {
        RequestParser parser(small_limits());
        std::string_view bytes = c.text;
        const auto step = parser.feed(bytes);
        ASSERT_TRUE(step && *step == RequestParser::Step::head) << c.text;
        EXPECT_EQ(parser.keep_alive(), c.keep_alive) << c.text;
        EXPECT_EQ(parser.expects_continue(), c.expects_continue) << c.text;
    }
}

TEST(RequestParser, decodes_the_path_and_lets_an_absolute_target_name_the_host) {
    RequestParser parser(small_limits());
    std::string_view bytes = "GET HTTP://x:8/a%20b?c=%20 HTTP/1.1\r\nHost: evil\r\nX:  y \r\n\r\n";
    ASSERT_TRUE(parser.feed(bytes));
    EXPECT_EQ(parser.request().path, "/a b");
    EXPECT_EQ(parser.request().target, "/a%20b?c=%20");
    EXPECT_EQ(parser.request().headers.get("host"), "x:8");
    EXPECT_EQ(parser.request().headers.get("x"), "y");
}

// Lets a body be 30 bytes long as long as it has no `!`.
class NoShouting final : public BodyGate {
  public:
    std::size_t limit() const override { return 30; }
    base::Result<void> take(std::string_view bytes) override {
        if (bytes.find('!') == std::string_view::npos) return {};
        return base::fail(base::Errc::unavailable, "Not so loud.");
    }
};

// The status of what is fed byte by byte, -1: it goes on; the body where it is whole.
std::pair<int, std::string> parse_with_gate(std::string_view text) {
    RequestParser parser(small_limits());
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string_view bytes = text.substr(i, 1);
        auto step = parser.feed(bytes);
        if (step && *step == RequestParser::Step::head) {
            parser.request().body_gate = std::make_shared<NoShouting>();
            step = parser.feed(bytes);
        }
        if (!step) return {base::http_status(step.error().code), ""};
        if (*step == RequestParser::Step::complete) return {0, parser.take().body};
    }
    return {-1, ""};
}

TEST(RequestParser, a_gate_judges_the_body_in_the_place_of_the_limit) {
    const auto request = [](const std::string& body) {
        return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    };
    const std::string large(30, 'a');
    EXPECT_EQ(parse({request(large)}).status, 413) << "without a gate";
    EXPECT_EQ(parse_with_gate(request(large)), (std::pair{0, large}));
    EXPECT_EQ(parse_with_gate(request(large + "a")).first, 413);
    EXPECT_EQ(parse_with_gate(request("a!aaaaaaaaaaaaaaaaaaaaaaa")).first, 503);
    const std::string chunked =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\n" + large + "\r\n";
    EXPECT_EQ(parse_with_gate(chunked + "0\r\n\r\n"), (std::pair{0, large}));
    EXPECT_EQ(parse_with_gate(chunked + "1\r\na\r\n0\r\n\r\n").first, 413);
}

}  // namespace
}  // namespace tertulia::http
