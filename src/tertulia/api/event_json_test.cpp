#include "tertulia/api/event_json.h"

#include <gtest/gtest.h>

#include "tertulia/api/answer_json.h"
#include "tertulia/base/json.h"

namespace tertulia::api {
namespace {

using Kind = chat::AnswerEvents::Kind;
using sessions::TurnState;

// The names and data of a log's events.
class EventJsonTest : public testing::Test {
  protected:
    using Lines = std::vector<std::pair<std::string, std::string>>;

    void add(Kind kind, std::uint32_t block, std::string_view text, std::string_view extra = {}) {
        chat::AnswerEvents steps;
        steps.add(kind, block, text, extra);
        log.append(steps);
    }
    Lines lines(std::uint32_t after = 0) const {
        sessions::EventBatch batch;
        sessions::TurnLog::Place place{.after = after};
        log.read(place, batch);
        const TurnFacts facts{.name = *name, .started = log.started(), .result = log.result(), .request_id = "r_1"};
        Lines lines;
        for (const auto& event : batch.events) {
            std::string data = "before";
            append_event_data(data, event, batch, facts);
            EXPECT_TRUE(data.starts_with("before")) << "it adds to what is there";
            data.erase(0, 6);
            EXPECT_TRUE(base::parse_json(data)) << data;
            EXPECT_EQ(data.find_first_of("\r\n"), std::string::npos) << "a line of SSE";
            lines.emplace_back(event_name(event, facts), data);
        }
        return lines;
    }

    const std::shared_ptr<const sessions::TurnName> name = std::make_shared<const sessions::TurnName>(
        sessions::TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t_1"});
    sessions::TurnLog log{name};
};

TEST_F(EventJsonTest, a_queued_turn_and_its_start) {
    log.queue();
    log.start({.model = "p/m"}, "maker");
    EXPECT_EQ(lines(), (Lines{{"turn.queued", R"({"session_id":"s","turn_id":"t_1"})"},
                              {"turn.started", R"({"session_id":"s","turn_id":"t_1","model":"p/m"})"}}));
}

TEST_F(EventJsonTest, a_continuation_says_of_what_and_gives_the_text_so_far) {
    log.start({.model = "p/m", .continues = "t_0"}, "maker");
    log.replace_text("Once \"upon\"\n");
    EXPECT_EQ(lines(), (Lines{{"turn.started", R"({"session_id":"s","turn_id":"t_1","model":"p/m","continues":"t_0"})"},
                              {"text.replaced", R"({"text":"Once \"upon\"\n"})"}}));
}

TEST_F(EventJsonTest, the_steps_of_an_answer) {
    log.start({.model = "p/m"}, "maker");
    add(Kind::thinking, 0, "hm");
    add(Kind::text, 1, "a\r\n\"b\"\x01");
    add(Kind::refusal, 1, "No.");
    add(Kind::tool_call, 7, "f\"", "call\\1");
    add(Kind::tool_arguments, 7, "{\"x\":");
    EXPECT_EQ(lines(1), (Lines{{"thinking.delta", R"({"text":"hm"})"},
                               {"text.delta", R"({"text":"a\r\n\"b\"\u0001"})"},
                               {"text.delta", R"({"text":"No."})"},
                               {"tool_call.delta", R"({"index":7,"id":"call\\1","name":"f\"","arguments":""})"},
                               {"tool_call.delta", R"({"index":7,"arguments":"{\"x\":"})"}}));
}

TEST_F(EventJsonTest, what_is_shown_to_nobody_is_no_event) {
    log.start({.model = "p/m"}, "maker");
    add(Kind::signature, 0, "sig");
    add(Kind::native, 1, "{}");
    add(Kind::restart, 0, "");
    EXPECT_EQ(lines(1), Lines{});
}

TEST_F(EventJsonTest, each_end_has_its_name_and_says_why) {
    const std::vector<std::tuple<TurnState, std::string, bool>> cases = {
        {TurnState::completed, "turn.completed", false},
        {TurnState::failed, "turn.failed", true},
        {TurnState::cancelled, "turn.cancelled", true},
        {TurnState::interrupted, "turn.interrupted", true},
    };
    for (const auto& [state, event, has_partial] : cases) {
        sessions::TurnLog ended(name);
        ended.start({.model = "p/m"}, "maker");
        sessions::TurnResult result;
        result.state = state;
        result.session_id = "s";
        result.turn_id = "t_1";
        result.message = "so far";
        ended.finish(result, true);
        sessions::EventBatch batch;
        sessions::TurnLog::Place place{.after = 1};
        ended.read(place, batch);
        const TurnFacts facts{.name = *name, .started = ended.started(), .result = ended.result(), .request_id = "r_1"};
        ASSERT_EQ(batch.events.size(), 2u);
        EXPECT_EQ(event_name(batch.events[0], facts), "usage");
        EXPECT_EQ(event_name(batch.events[1], facts), event);
        std::string data, expected;
        append_event_data(data, batch.events[1], batch, facts);
        if (state == TurnState::completed)
            append_answer(expected, result);
        else
            append_turn_error(expected, result, "r_1");
        EXPECT_EQ(data, expected);
        EXPECT_EQ(data.find("\"partial\":\"so far\"") != std::string::npos, has_partial) << data;
    }
}

}  // namespace
}  // namespace tertulia::api
