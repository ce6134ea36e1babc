#include "tertulia/api/sse_writer.h"

#include <gtest/gtest.h>

#include "tertulia/api/answer_json.h"

namespace tertulia::api {
namespace {

using Kind = chat::AnswerEvents::Kind;
using sessions::TurnState;

const sessions::TurnStarted started{.model = "openai/x"};

sessions::TurnResult result(TurnState state) {
    sessions::TurnResult result;
    result.state = state;
    result.session_id = "s";
    result.turn_id = "t_1";
    return result;
}

const auto name = std::make_shared<const sessions::TurnName>(
    sessions::TurnName{.key = {.owner = "local", .session_id = "s"}, .turn_id = "t_1"});

// The events of a log after `number`, as a client sees them.
std::string written(const sessions::TurnLog& log, std::uint32_t number = 0) {
    sessions::EventBatch batch;
    sessions::TurnLog::Place place{.after = number};
    log.read(place, batch);
    std::string out;
    append_sse(out, batch, {.name = *name, .started = log.started(), .result = log.result(), .request_id = "r_1"});
    return out;
}

TEST(SseWriter, writes_each_kind_of_event) {
    sessions::TurnLog log(name);
    log.start(started, "maker");
    chat::AnswerEvents steps;
    steps.add(Kind::thinking, 0, "hm");
    steps.add(Kind::signature, 0, "c2ln");
    steps.add(Kind::text, 1, "a \"quoted\"\r\n\nline");
    steps.add(Kind::tool_call, 2, "weather", "call_7");
    steps.add(Kind::tool_arguments, 2, "{\"city\":");
    steps.add(Kind::refusal, 3, "No.");
    log.append(steps);
    EXPECT_EQ(
        written(log),
        "id: t_1:1\nevent: turn.started\ndata: {\"session_id\":\"s\",\"turn_id\":\"t_1\",\"model\":\"openai/x\"}\n\n"
        "id: t_1:2\nevent: thinking.delta\ndata: {\"text\":\"hm\"}\n\n"
        "id: t_1:3\nevent: text.delta\ndata: {\"text\":\"a \\\"quoted\\\"\\r\\n\\nline\"}\n\n"
        "id: t_1:4\nevent: tool_call.delta\n"
        "data: {\"index\":2,\"id\":\"call_7\",\"name\":\"weather\",\"arguments\":\"\"}\n\n"
        "id: t_1:5\nevent: tool_call.delta\ndata: {\"index\":2,\"arguments\":\"{\\\"city\\\":\"}\n\n"
        "id: t_1:6\nevent: text.delta\ndata: {\"text\":\"No.\"}\n\n");
}

TEST(SseWriter, a_completed_turn_ends_with_usage_and_the_json_answer) {
    sessions::TurnLog log(name);
    log.start(started, "maker");
    sessions::TurnResult ended = result(TurnState::completed);
    ended.usage.output = 3;
    log.finish(ended, true);
    std::string usage;
    append_usage(usage, ended.usage);
    std::string answer;
    append_answer(answer, ended);
    EXPECT_EQ(written(log, 1), "id: t_1:2\nevent: usage\ndata: " + usage +
                                   "\n\nid: t_1:3\nevent: turn.completed\ndata: " + answer + "\n\n");
}

TEST(SseWriter, a_turn_that_is_not_whole_ends_with_its_error) {
    const std::vector<std::tuple<TurnState, std::string, std::string>> cases = {
        {TurnState::failed, "turn.failed", "internal"},
        {TurnState::cancelled, "turn.cancelled", "conflict"},
        {TurnState::interrupted, "turn.interrupted", "unavailable"},
    };
    for (const auto& [state, event, code] : cases) {
        sessions::TurnLog log(name);
        log.start(started, "maker");
        log.finish(result(state), false);
        const std::string out = written(log, 1);
        EXPECT_TRUE(out.starts_with("id: t_1:2\nevent: " + event + "\ndata: {\"error\":")) << out;
        EXPECT_TRUE(out.ends_with("\"code\":\"" + code +
                                  "\",\"request_id\":\"r_1\",\"session_id\":\"s\",\"turn_id\":\"t_1\"" +
                                  (state == TurnState::failed ? "" : ",\"partial\":\"\"") + "}\n\n"))
            << out;
    }
}

TEST(SseWriter, adds_to_what_is_there) {
    sessions::TurnLog log(name);
    log.start(started, "maker");
    sessions::EventBatch batch;
    sessions::TurnLog::Place place;
    log.read(place, batch);
    std::string out(sse_heartbeat);
    append_sse(out, batch, {.name = *name, .started = log.started(), .result = {}, .request_id = "r_1"});
    EXPECT_TRUE(out.starts_with(": heartbeat\n\nid: t_1:1\n"));
}

}  // namespace
}  // namespace tertulia::api
