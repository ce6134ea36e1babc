#include "tertulia/api/socket_frames.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>

#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using Kind = chat::AnswerEvents::Kind;
using sessions::TurnState;

class SocketFramesTest : public testing::Test {
  protected:
    void add(Kind kind, std::uint32_t block, std::string_view text, std::string_view extra = {}) {
        chat::AnswerEvents steps;
        steps.add(kind, block, text, extra);
        log.append(steps);
    }

    std::vector<boost::json::object> frames(const FrameLimits& limits = {}, std::string_view client_id = {}) const {
        sessions::EventBatch batch;
        sessions::TurnLog::Place place;
        log.read(place, batch, 1 << 22);
        const TurnFacts facts{.name = *name, .started = log.started(), .result = log.result(), .request_id = "r_1"};
        std::vector<boost::json::object> parsed;
        for (const std::string& frame : socket_frames(batch, facts, client_id, limits)) {
            EXPECT_LE(frame.size(), limits.message_bytes);
            const auto value = base::parse_json(frame);
            EXPECT_TRUE(value) << frame;
            if (value) parsed.push_back(value->as_object());
        }
        return parsed;
    }

    // `type id text`, for each.
    std::vector<std::string> lines(const FrameLimits& limits = {}) const {
        std::vector<std::string> lines;
        for (const boost::json::object& frame : frames(limits)) {
            const boost::json::object& data = frame.at("data").as_object();
            std::string line =
                std::string(frame.at("type").as_string()) + " " + std::string(frame.at("id").as_string());
            for (const char* member : {"text", "arguments"})
                if (const auto* text = data.if_contains(member)) line += " " + std::string(text->as_string());
            lines.push_back(std::move(line));
        }
        return lines;
    }

    const std::shared_ptr<const sessions::TurnName> name = std::make_shared<const sessions::TurnName>(
        sessions::TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t_1"});
    sessions::TurnLog log{name};
};

TEST_F(SocketFramesTest, deltas_of_one_block_are_joined) {
    log.start({.model = "p/m"}, "maker");
    for (const char* text : {"Once ", "upon ", "a "}) add(Kind::text, 0, text);
    add(Kind::text, 1, "time");
    for (const char* text : {"h", "m"}) add(Kind::thinking, 2, text);
    add(Kind::tool_call, 3, "look", "call_1");
    for (const char* text : {"{\"a\"", ":1}"}) add(Kind::tool_arguments, 3, text);
    EXPECT_EQ(lines(), (std::vector<std::string>{"turn.started t_1:1", "text.delta t_1:4 Once upon a ",
                                                 "text.delta t_1:5 time", "thinking.delta t_1:7 hm",
                                                 "tool_call.delta t_1:8 ", "tool_call.delta t_1:10 {\"a\":1}"}));
}

TEST_F(SocketFramesTest, but_not_without_end) {
    log.start({.model = "p/m"}, "maker");
    for (int i = 0; i < 4; ++i) add(Kind::text, 0, "abc");
    EXPECT_EQ(lines({.joined_bytes = 7}),
              (std::vector<std::string>{"turn.started t_1:1", "text.delta t_1:3 abcabc", "text.delta t_1:5 abcabc"}));
}

TEST_F(SocketFramesTest, the_clients_own_id_is_in_each) {
    log.start({.model = "p/m"}, "maker");
    add(Kind::text, 0, "Hi");
    for (const auto& frame : frames({}, "mine")) EXPECT_EQ(frame.at("request_id").as_string(), "mine");
    for (const auto& frame : frames()) EXPECT_FALSE(frame.contains("request_id"));
}

TEST_F(SocketFramesTest, what_is_too_long_comes_in_pieces) {
    // Bytes that JSON makes longer, and characters that must not be cut.
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += i % 3 == 0 ? "\x01" : i % 3 == 1 ? "é" : "\"";
    log.start({.model = "p/m", .continues = "t_0"}, "maker");
    log.replace_text(text);
    add(Kind::text, 0, text);
    std::string said;
    std::size_t replaced = 0;
    for (const auto& frame : frames()) {
        const auto* piece = frame.at("data").as_object().if_contains("text");
        if (!piece) continue;
        replaced += frame.at("type").as_string() == "text.replaced";
        EXPECT_EQ(frame.at("id").as_string(), said.size() < text.size() ? "t_1:2" : "t_1:3");
        said += std::string(piece->as_string());
    }
    EXPECT_EQ(replaced, 1u);
    EXPECT_EQ(said, text + text);
}

TEST_F(SocketFramesTest, an_end_that_is_too_long_goes_without_the_text) {
    log.start({.model = "p/m"}, "maker");
    add(Kind::text, 0, std::string(40'000, 'x'));
    log.finish({.state = TurnState::completed,
                .session_id = "s",
                .turn_id = "t_1",
                .model = "p/m",
                .message = std::string(40'000, 'x'),
                .timestamp = "2024-11-22T10:30:00.000000Z"},
               true);
    const auto all = frames();
    const boost::json::object& end = all.back();
    EXPECT_EQ(end.at("type").as_string(), "turn.completed");
    EXPECT_EQ(end.at("data").as_object().at("message").as_string(), "");
    EXPECT_TRUE(end.at("data").as_object().at("shortened").as_bool());
    EXPECT_EQ(end.at("data").as_object().at("turn_id").as_string(), "t_1");
    EXPECT_FALSE(frames({.message_bytes = 1 << 20}).back().at("data").as_object().contains("shortened"));
}

TEST_F(SocketFramesTest, also_one_that_failed) {
    log.start({.model = "p/m"}, "maker");
    log.finish({.state = TurnState::failed,
                .session_id = "s",
                .turn_id = "t_1",
                .message = std::string(40'000, 'x'),
                .error = base::Error{.code = base::Errc::upstream_unavailable, .message = "cut"}},
               false);
    const boost::json::object end = frames().back();
    EXPECT_EQ(end.at("type").as_string(), "turn.failed");
    EXPECT_FALSE(end.at("data").as_object().contains("partial"));
    EXPECT_TRUE(end.at("data").as_object().at("shortened").as_bool());
}

}  // namespace
}  // namespace tertulia::api
