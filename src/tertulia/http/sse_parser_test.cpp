#include "tertulia/http/sse_parser.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "support/recordings.h"

namespace tertulia::http {
namespace {

struct Seen {
    std::string type, data, id;
    bool operator==(const Seen&) const = default;
};
void PrintTo(const Seen& seen, std::ostream* out) {
    *out << seen.type << '|' << seen.data << '|' << seen.id;
}

struct Outcome {
    std::vector<Seen> events;
    std::optional<std::uint64_t> retry;
    bool ok = true;
    bool operator==(const Outcome&) const = default;
};

Outcome parse(std::initializer_list<std::string_view> pieces, std::size_t limit = SseParser::default_max_event) {
    SseParser parser(limit);
    Outcome outcome;
    for (const std::string_view piece : pieces) {
        // An allocation of its own, so that AddressSanitizer sees a view that is kept too long.
        const std::vector<char> bytes(piece.begin(), piece.end());
        const auto fed = parser.feed({bytes.data(), bytes.size()}, [&](const SseEvent& event) {
            outcome.events.push_back(
                {std::string(event.type), std::string(event.data), std::string(event.last_event_id)});
        });
        outcome.ok = outcome.ok && fed.has_value();
    }
    outcome.retry = parser.retry_ms();
    return outcome;
}

void expect_at_every_cut(std::string_view text, const std::vector<Seen>& expected, std::string_view name) {
    const Outcome whole = parse({text});
    EXPECT_EQ(whole.events, expected) << name;
    for (std::size_t i = 0; i <= text.size(); ++i)
        ASSERT_EQ(parse({text.substr(0, i), text.substr(i)}), whole) << name << " cut at " << i;
    SseParser parser;
    std::vector<Seen> events;
    for (const char c : text) {
        const auto fed = parser.feed({&c, 1}, [&](const SseEvent& event) {
            events.push_back({std::string(event.type), std::string(event.data), std::string(event.last_event_id)});
        });
        ASSERT_TRUE(fed);
    }
    EXPECT_EQ(events, expected) << name << " byte by byte";
}

TEST(SseParser, gives_the_same_events_wherever_the_bytes_are_cut) {
    struct Case {
        std::string_view name, text;
        std::vector<Seen> events;
    };
    using namespace std::string_view_literals;
    const std::vector<Case> cases = {
        {"one event", "data: a\n\n", {{"message", "a", ""}}},
        {"a type", "event: x\ndata: a\n\ndata: b\n\n", {{"x", "a", ""}, {"message", "b", ""}}},
        {"lines are joined", "data: a\ndata:\ndata:  b\n\n", {{"message", "a\n\n b", ""}}},
        {"every line end",
         "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
         {{"message", "a", ""}, {"message", "b", ""}, {"message", "c", ""}}},
        {"mixed line ends", "event: x\r\ndata: a\rdata: b\n\r\n", {{"x", "a\nb", ""}}},
        {"no data, no event", "event: x\n\nid: 7\n\ndata: a\n\n", {{"message", "a", "7"}}},
        {"empty data is data", "data\n\ndata:\n\n", {{"message", "", ""}, {"message", "", ""}}},
        {"comments", ": hello\ndata: a\n:\n: x\n\n:\n\n", {{"message", "a", ""}}},
        {"the id stays",
         "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
         {{"message", "a", "1"}, {"message", "b", "1"}, {"message", "c", ""}}},
        {"an id with NUL is ignored",
         "id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n"sv,
         {{"message", "a", "1"}, {"message", "b", "1"}}},
        {"byte order mark",
         "\xef\xbb\xbf"
         "data: a\n\n",
         {{"message", "a", ""}}},
        {"half a byte order mark is a name",
         "\xef\xbb"
         "data: a\n\ndata: b\n\n",
         {{"message", "b", ""}}},
        {"names are exact", "Data: a\ndata : b\n data: c\n\n", {}},
        {"only one space goes", "data:  a\n\n", {{"message", " a", ""}}},
        {"the unfinished is dropped", "data: a\n\ndata: b\n", {{"message", "a", ""}}},
        {"the last type counts",
         "event: x\nevent: y\ndata: a\n\nevent: x\nevent:\ndata: b\n\n",
         {{"y", "a", ""}, {"message", "b", ""}}},
    };
    for (const Case& c : cases) expect_at_every_cut(c.text, c.events, c.name);
}

TEST(SseParser, keeps_the_last_retry_that_is_a_number) {
    EXPECT_EQ(parse({"retry: 1500\n"}).retry, 1500u);
    EXPECT_EQ(parse({"retry: 1500\nretry: x\nretry: -1\nretry:\n"}).retry, 1500u);
    EXPECT_EQ(parse({"retry: 99999999999999999999999999\n"}).retry, 1'000'000'000'000u);
    EXPECT_EQ(parse({"data: a\n\n"}).retry, std::nullopt);
}

TEST(SseParser, refuses_what_is_over_its_limit_and_stays_refused) {
    const std::string fits = "data: " + std::string(58, 'x') + "\n\n";  // a line of 64 bytes
    EXPECT_TRUE(parse({fits}, 64).ok);
    const std::vector<std::string> over = {
        "data: " + std::string(59, 'x') + "\n\n",
        ":" + std::string(65, 'x'),
        "data: " + std::string(40, 'x') + "\ndata: " + std::string(40, 'x') + "\n\n",
    };
    for (const std::string& text : over) {
        for (std::size_t i = 0; i <= text.size(); ++i) {
            const Outcome outcome = parse({std::string_view(text).substr(0, i), std::string_view(text).substr(i)}, 64);
            EXPECT_FALSE(outcome.ok) << text << " cut at " << i;
            EXPECT_TRUE(outcome.events.empty());
        }
    }
    SseParser parser(8);
    const auto ignore = [](const SseEvent&) {};
    EXPECT_FALSE(parser.feed("data: 123\n", ignore));
    const auto again = parser.feed("\n", ignore);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, base::Errc::upstream_unavailable);
}

std::string decode_base64(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (const char c : text) {
        if (c == '=') break;
        bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>(bits >> count & 0xff);
        }
    }
    return out;
}

TEST(SseParser, agrees_with_the_collected_vectors) {
    TERTULIA_NEED_SHARED_DATA("sse");
    const boost::json::value vectors =
        boost::json::parse(support::read_file(support::shared_data() / "sse/vectors.json"));
    ASSERT_GT(vectors.as_array().size(), 40u);
    for (const auto& vector : vectors.as_array()) {
        std::string bytes;
        std::vector<Seen> expected;
        for (const auto& chunk : vector.at("chunks_base64").as_array()) bytes += decode_base64(chunk.as_string());
        for (const auto& event : vector.at("events").as_array())
            expected.push_back({std::string(event.at("type").as_string()), std::string(event.at("data").as_string()),
                                std::string(event.at("id").as_string())});
        const std::string name(vector.at("name").as_string());
        if (bytes.size() < 5000) {
            expect_at_every_cut(bytes, expected, name);
        } else {
            EXPECT_EQ(parse({bytes}).events, expected) << name;
            for (std::size_t i = 0; i < bytes.size(); i += 997)
                EXPECT_EQ(parse({bytes.substr(0, i), bytes.substr(i)}).events, expected) << name << " cut at " << i;
        }
        if (const auto* retry = vector.as_object().if_contains("retry"))
            EXPECT_EQ(parse({bytes}).retry, retry->to_number<std::uint64_t>()) << name;
    }
}

}  // namespace
}  // namespace tertulia::http
