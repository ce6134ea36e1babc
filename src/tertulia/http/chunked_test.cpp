#include "tertulia/http/chunked.h"

#include <gtest/gtest.h>

namespace tertulia::http {
namespace {

struct Outcome {
    std::string data = {};
    std::string rest = {};
    bool complete = false;
    bool ok = true;
    bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& o, std::ostream* out) {
    *out << o.data << '|' << o.rest << '|' << o.complete << o.ok;
}

Outcome decode(std::initializer_list<std::string_view> pieces) {
    ChunkedDecoder decoder;
    Outcome outcome;
    for (std::string_view bytes : pieces) {
        while (!bytes.empty() && outcome.ok && !decoder.is_complete()) {
            const auto piece = decoder.next(bytes);
            outcome.ok = piece.has_value();
            if (piece) outcome.data += *piece;
        }
        if (outcome.ok) outcome.rest += bytes;
    }
    outcome.complete = decoder.is_complete();
    return outcome;
}

void expect_at_every_cut(std::string_view text, const Outcome& expected) {
    EXPECT_EQ(decode({text}), expected) << text;
    for (std::size_t i = 1; i < text.size(); ++i)
        EXPECT_EQ(decode({text.substr(0, i), text.substr(i)}), expected) << text << " cut at " << i;
}

TEST(ChunkedDecoder, takes_the_framing_away_wherever_it_is_cut) {
    expect_at_every_cut("3\r\nabc\r\n0\r\n\r\n", {.data = "abc", .complete = true});
    expect_at_every_cut("3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n000\r\n\r\nGET", {"abc0123456789", "GET", true});
    expect_at_every_cut("1 \r\n", {.ok = false});
    expect_at_every_cut("0\r\nTrailer: 1\r\nOther: 2\r\n\r\nx", {.rest = "x", .complete = true});
    expect_at_every_cut("3\r\nab", {.data = "ab"});
    expect_at_every_cut("3\r\nabc\r\n0\r\n", {.data = "abc"});
    expect_at_every_cut("2\r\n\r\n\r\n0\r\n\r\n", {.data = "\r\n", .complete = true});
}

TEST(ChunkedDecoder, refuses_what_is_malformed) {
    for (const std::string text : {"\r\n", "x\r\n", ";a\r\n", "-1\r\n", "+1\r\n", "0x1\r\na\r\n", "1\na\r\n",
                                   "1\r\nab\r\n", "1\r\na\n", "1\r\na\rb", "100000000000000\r\n",
                                   "ffffffffffffffffff\r\n", "0\r\n\n", "0\r\nA: b\n\r\n", "1;\x01\r\n", "1;a\nb\r\n"})
        EXPECT_FALSE(decode({text}).ok) << text;
    EXPECT_FALSE(decode({"1;" + std::string(2000, 'x')}).ok);
    EXPECT_FALSE(decode({"0\r\nA: " + std::string(9000, 'x')}).ok);
    EXPECT_FALSE(decode({std::string(2000, '0')}).ok);
}

}  // namespace
}  // namespace tertulia::http
