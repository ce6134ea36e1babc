#include "tertulia/http/response_parser.h"

#include <gtest/gtest.h>

namespace tertulia::http {
namespace {

struct Outcome {
    int status = 0;
    std::string body = {};
    bool complete = false, keep_alive = false, ok = true;
    std::string rest = {};
    bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& o, std::ostream* out) {
    *out << o.status << '|' << o.body << '|' << o.complete << o.keep_alive << o.ok << '|' << o.rest;
}

// All of it, and then the end of the connection.
Outcome parse(const std::vector<std::string_view>& pieces, bool to_head = false) {
    ResponseParser parser(to_head, 256);
    Outcome outcome;
    bool has_head = false;
    for (std::string_view bytes : pieces) {
        if (!has_head) {
            const auto head = parser.feed_head(bytes);
            if (!head) return {.ok = false};
            if (!*head) continue;
            has_head = true;
        }
        for (;;) {
            const auto piece = parser.next_body(bytes);
            if (!piece) return {.ok = false};
            if (piece->empty()) break;
            outcome.body += *piece;
        }
        outcome.rest += bytes;
    }
    outcome.status = parser.status();
    outcome.ok = parser.end_of_input().has_value();
    outcome.complete = parser.is_complete();
    outcome.keep_alive = parser.keep_alive();
    return outcome;
}

void expect_at_every_cut(std::string_view text, const Outcome& expected, bool to_head = false) {
    EXPECT_EQ(parse({text}, to_head), expected) << text;
    for (std::size_t i = 1; i < text.size(); ++i)
        EXPECT_EQ(parse({text.substr(0, i), text.substr(i)}, to_head), expected) << text << " cut at " << i;
}

TEST(ResponseParser, reads_every_framing_wherever_it_is_cut) {
    expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", {200, "abc", true, true});
    expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP", {200, "abc", true, true, true, "HTTP"});
    expect_at_every_cut("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                        {200, "abc", true, true});
    expect_at_every_cut("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", {200, "a", true, false});
    expect_at_every_cut("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", {200, "a", true, false});
    expect_at_every_cut("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
                        {200, "a", true, true});
    expect_at_every_cut("HTTP/1.1 200 OK\r\n\r\nuntil the end", {200, "until the end", true, false});
    expect_at_every_cut("HTTP/1.1 204 No Content\r\n\r\n", {204, "", true, true});
    expect_at_every_cut(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 404 N\r\nContent-Length: 1\r\n\r\nx",
        {404, "x", true, true});
    expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", {200, "", true, true}, true);
}

TEST(ResponseParser, never_takes_a_cut_body_for_a_whole_one) {
    expect_at_every_cut("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", {200, "abc", false, true, false});
    expect_at_every_cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
                        {200, "abc", false, true, false});
    expect_at_every_cut("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
                        {200, "abc", false, true, false});
    EXPECT_FALSE(parse({"HTTP/1.1 200 OK\r\nContent-Le"}).ok);
    EXPECT_FALSE(parse({}).ok);
}

TEST(ResponseParser, skips_some_interim_answers_but_not_an_endless_row) {
    const std::string interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    std::string answer = "HTTP/1.1 204 No Content\r\n\r\n";
    for (int i = 0; i < 16; ++i) answer.insert(0, interim);
    EXPECT_EQ(parse({answer}).status, 204);
    EXPECT_FALSE(parse({interim + answer}).ok);
    EXPECT_FALSE(parse({interim, answer}).ok);
}

TEST(ResponseParser, refuses_what_is_not_http) {
    for (const std::string& text : std::vector<std::string>{
             "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
             "HTTP/1.1 200 OK\n\n", "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
             "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
             "HTTP/1.1 200 OK\r\nX: " + std::string(300, 'x') + "\r\n\r\n"}) {
        const Outcome outcome = parse({text});
        EXPECT_FALSE(outcome.ok) << text;
    }
}

}  // namespace
}  // namespace tertulia::http
