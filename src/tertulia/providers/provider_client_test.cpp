#include "tertulia/providers/provider_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "support/scripted_server.h"
#include "tertulia/async/spawn.h"
#include "tertulia/chat/message_builder.h"
#include "tertulia/providers/anthropic_provider.h"
#include "tertulia/providers/local_server.h"
#include "tertulia/providers/openai_chat_provider.h"

namespace tertulia::providers {
namespace {

using async::Task;
using base::Deadline;
using base::Errc;
using chat::StopReason;
using models::FailureKind;
using support::ScriptedServer;
using testing::HasSubstr;

constexpr std::chrono::seconds plenty{20};

std::string head(int status, std::string_view type, std::string_view more = "") {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Type: {}\r\n{}", status, type, more);
}

std::string json_answer(int status, std::string_view body, std::string_view more = "") {
    return head(status, "application/json", more) + fmt::format("Content-Length: {}\r\n\r\n{}", body.size(), body);
}

std::string chunk(std::string_view bytes) {
    return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

const std::string stream_head = head(200, "text/event-stream", "Transfer-Encoding: chunked\r\n\r\n");
const std::string last_chunk = "0\r\n\r\n";
const std::string anthropic_text =
    "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n";
const std::string anthropic_end =
    "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n"
    "data: {\"type\":\"message_stop\"}\n\n";
const std::string openai_text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const std::string openai_finish = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

// Runs `body(client)` on an event loop of its own, and fails if it does not end.
template <class Body>
void run(const Body& body) {
    async::asio::io_context context(1);
    bool done = false;
    {
        http::Client client(context.get_executor());
        async::spawn(context.get_executor(), body(client), [&](std::exception_ptr error) {
            done = true;
            EXPECT_FALSE(error);
        });
        const auto limit = std::chrono::steady_clock::now() + plenty;
        while (!done && std::chrono::steady_clock::now() < limit) context.run_one_for(plenty);
        client.close_idle();
    }
    EXPECT_TRUE(done) << "the task did not end";
    context.poll();
}

models::ModelRequest question() {
    return {.model = "m", .messages = {{chat::Role::user, {chat::Text{"Hi"}}}}, .max_tokens = 9, .temperature = 1.0};
}

// How an answer went, read to its end.
struct Outcome {
    std::string text;
    std::optional<chat::Usage> usage;
    std::optional<StopReason> finish;
    std::optional<models::Failure> failure;
};

Task<Outcome> read_all(models::Provider& provider, std::stop_token stop, Deadline deadline) {
    Outcome outcome;
    const models::ModelRequest request = question();
    auto opened = co_await provider.open(request, stop, deadline);
    if (!opened) {
        outcome.failure = opened.error();
        co_return outcome;
    }
    chat::AnswerEvents all, step;
    while (!all.finish) {
        const models::Attempt<void> next = co_await (*opened)->next(step, deadline);
        if (!next) {
            outcome.failure = next.error();
            break;
        }
        EXPECT_TRUE(step.has_progress());
        all.append(step);
    }
    outcome.text = chat::text_of(chat::build_answer(all, provider.kind()).blocks);
    outcome.usage = all.usage;
    outcome.finish = all.finish;
    co_return outcome;
}

AnthropicProvider anthropic(http::Client& client, const ScriptedServer& server) {
    return {client, base::system_clock(), {.base_url = server.url(), .api_key = base::Secret("the-key-of-ours")}};
}

OpenAiChatProvider openai(http::Client& client, const ScriptedServer& server) {
    return {client, base::system_clock(), {.base_url = server.url("/v1"), .api_key = base::Secret("the-key-of-ours")}};
}

Outcome ask_anthropic(const ScriptedServer& server, std::chrono::milliseconds limit = plenty) {
    Outcome outcome;
    run([&](http::Client& client) -> Task<> {
        AnthropicProvider provider = anthropic(client, server);
        outcome = co_await read_all(provider, {}, Deadline::after(limit));
    });
    return outcome;
}

Outcome ask_openai(const ScriptedServer& server, std::chrono::milliseconds limit = plenty) {
    Outcome outcome;
    run([&](http::Client& client) -> Task<> {
        OpenAiChatProvider provider = openai(client, server);
        outcome = co_await read_all(provider, {}, Deadline::after(limit));
    });
    return outcome;
}

TEST(Providers, stream_an_answer_and_keep_the_connection) {
    ScriptedServer server(
        {{{stream_head, chunk(anthropic_text), chunk(anthropic_end), last_chunk}},
         {{json_answer(200, R"({"content":[{"type":"text","text":"Again"}],"stop_reason":"max_tokens"})")}}});
    run([&](http::Client& client) -> Task<> {
        AnthropicProvider provider = anthropic(client, server);
        const Outcome first = co_await read_all(provider, {}, Deadline::after(plenty));
        EXPECT_EQ(first.text, "Hello");
        EXPECT_EQ(first.finish, StopReason::end_turn);
        EXPECT_EQ(first.usage, (chat::Usage{.input = 3, .output = 2}));
        EXPECT_EQ(client.idle_connections(), 1u);
        const Outcome second = co_await read_all(provider, {}, Deadline::after(plenty));
        EXPECT_EQ(second.text, "Again") << "a server that ignores `stream` works";
        EXPECT_EQ(second.finish, StopReason::max_tokens);
        EXPECT_EQ(second.usage, std::nullopt);
    });
    EXPECT_THAT(server.requests().at(0), HasSubstr("POST /v1/messages HTTP/1.1\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("x-api-key: the-key-of-ours\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("\"stream\":true"));
}

TEST(Providers, openai_is_asked_below_its_base_url_and_read_past_the_finish_reason) {
    ScriptedServer server(
        {{{stream_head, chunk(openai_text), chunk(openai_finish),
           chunk("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n"),
           last_chunk}}});
    const Outcome outcome = ask_openai(server);
    EXPECT_EQ(outcome.text, "Hello");
    EXPECT_EQ(outcome.finish, StopReason::end_turn);
    EXPECT_EQ(outcome.usage, (chat::Usage{.input = 3, .output = 2}));
    EXPECT_THAT(server.requests().at(0), HasSubstr("POST /v1/chat/completions HTTP/1.1\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("authorization: Bearer the-key-of-ours\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("\"max_tokens\":9"));
}

TEST(Providers, a_refusal_is_a_failure_of_open_that_does_not_tell_the_key) {
    ScriptedServer server({{{json_answer(
        529, R"({"type":"error","error":{"type":"overloaded_error","message":"the-key-of-ours is overloaded"}})",
        "Retry-After: 3\r\n")}}});
    const Outcome outcome = ask_anthropic(server);
    EXPECT_EQ(outcome.failure->kind, FailureKind::overloaded);
    EXPECT_EQ(outcome.failure->error.code, Errc::upstream_unavailable);
    EXPECT_EQ(outcome.failure->error.retry_after, std::chrono::seconds(3));
    EXPECT_THAT(outcome.failure->error.message, HasSubstr("*** is overloaded"));
}

TEST(Providers, a_stream_that_is_cut_is_a_failure_with_the_text_before_it) {
    const std::vector<std::string> cuts[] = {
        {stream_head, chunk(anthropic_text)},                                       // the connection closes
        {stream_head, chunk(anthropic_text), last_chunk},                           // the body ends early
        {stream_head, chunk(anthropic_text + "data: {\"type\":\n\n"), last_chunk},  // malformed
        {stream_head, chunk(anthropic_text + "data: {\"type\":\"error\"}\n\n")},    // says so itself
    };
    for (const std::vector<std::string>& pieces : cuts) {
        ScriptedServer server({{pieces, true}});
        const Outcome outcome = ask_anthropic(server);
        EXPECT_EQ(outcome.text, "Hello") << pieces.back();
        EXPECT_EQ(outcome.finish, std::nullopt) << pieces.back();
        if (!outcome.failure) {
            ADD_FAILURE() << "no failure: " << pieces.back();
            continue;
        }
        EXPECT_EQ(outcome.failure->error.code, Errc::upstream_unavailable) << pieces.back();
    }
}

TEST(Providers, behind_a_finish_reason_nothing_that_goes_wrong_takes_anything_away) {
    const auto outcome_of = [](std::string_view what, bool closes, std::chrono::milliseconds limit = plenty) {
        std::vector<std::string> pieces{stream_head, chunk(openai_text), chunk(openai_finish)};
        if (!what.empty()) pieces.push_back(chunk(what));
        ScriptedServer server({{pieces, closes}});
        return ask_openai(server, limit);
    };
    for (const auto& outcome : {
             outcome_of("", true),
             outcome_of("", false, std::chrono::seconds(1)),  // silence
             outcome_of("data:\n\n", false),
             outcome_of("data: {\"usage\":\n\n", false),
             outcome_of("data: {\"error\":{\"message\":\"late\"}}\n\n", false),
         }) {
        EXPECT_EQ(outcome.text, "Hello");
        EXPECT_EQ(outcome.finish, StopReason::end_turn);
        EXPECT_FALSE(outcome.failure);
    }
    // Where more came behind it, it said nothing of the end.
    ScriptedServer server({{{stream_head, chunk(openai_text), chunk(openai_finish), chunk(openai_text)}}});
    EXPECT_TRUE(ask_openai(server, std::chrono::milliseconds(300)).failure);
}

TEST(Providers, silence_past_the_deadline_is_timed_out) {
    for (const std::vector<std::string>& pieces :
         {std::vector<std::string>{}, {stream_head}, {stream_head, chunk("data: {\"type\":\"ping\"}\n\n")}}) {
        ScriptedServer server({{pieces}});
        const Outcome outcome = ask_anthropic(server, std::chrono::milliseconds(80));
        if (!outcome.failure) {
            ADD_FAILURE() << "no failure";
            continue;
        }
        EXPECT_EQ(outcome.failure->kind, FailureKind::timed_out);
        EXPECT_EQ(outcome.failure->error.code, Errc::timed_out);
    }
}

TEST(Providers, stop_ends_a_read_at_once) {
    ScriptedServer server({{{stream_head, chunk(anthropic_text)}}});
    run([&](http::Client& client) -> Task<> {
        AnthropicProvider provider = anthropic(client, server);
        std::stop_source stop;
        const models::ModelRequest request = question();
        auto opened = co_await provider.open(request, stop.get_token(), Deadline::after(plenty));
        if (!opened) {
            ADD_FAILURE() << opened.error().error.message;
            co_return;
        }
        chat::AnswerEvents events;
        EXPECT_TRUE(co_await (*opened)->next(events, Deadline::after(plenty)));
        async::asio::post(co_await async::this_executor, [&] { stop.request_stop(); });
        const auto next = co_await (*opened)->next(events, Deadline::after(plenty));
        EXPECT_FALSE(next);
        if (!next) EXPECT_EQ(next.error().kind, FailureKind::stopped);
    });
}

TEST(Providers, nobody_there_is_unreachable) {
    http::Url nowhere;
    {
        ScriptedServer server({});
        nowhere = server.url();
    }
    run([&](http::Client& client) -> Task<> {
        AnthropicProvider provider(client, base::system_clock(), {.base_url = nowhere});
        const Outcome outcome = co_await read_all(provider, {}, Deadline::after(plenty));
        EXPECT_TRUE(outcome.failure);
        if (outcome.failure) EXPECT_EQ(outcome.failure->kind, FailureKind::unreachable);
        if (outcome.failure) EXPECT_EQ(outcome.failure->error.code, Errc::upstream_unavailable);
    });
}

TEST(Providers, name_the_parameters_that_they_leave_out) {
    run([&](http::Client& client) -> Task<> {
        const auto ignored = [&](std::string_view version) {
            return AnthropicProvider(client, base::system_clock(), {.api_version = std::string(version)})
                .ignored_parameters(question());
        };
        EXPECT_TRUE(ignored(anthropic_version_2023).empty());
        EXPECT_EQ(ignored(anthropic_version_2026), std::vector<std::string>{"temperature"});
        EXPECT_TRUE(OpenAiChatProvider(client, base::system_clock(), {}).ignored_parameters(question()).empty());
        co_return;
    });
}

TEST(Providers, a_path_goes_behind_the_bases_and_before_its_query) {
    const struct {
        const char *base, *appended;
    } table[] = {
        {"/", "/x"},
        {"/v1", "/v1/x"},
        {"/v1/", "/v1/x"},
        {"/openai/deployments/d?api-version=2024", "/openai/deployments/d/x?api-version=2024"},
    };
    for (const auto& row : table) EXPECT_EQ(append_path({.host = "h", .target = row.base}, "/x").target, row.appended);
}

TEST(LocalServer, tells_its_health_and_its_window) {
    ScriptedServer server({{{json_answer(503, R"({"error":{"message":"Loading model"}})")}, true},
                           {{json_answer(200, R"({"status":"ok"})")}, true},
                           {{json_answer(200, R"({"data":[{"meta":{"n_ctx":2048}}]})")}, true},
                           {{json_answer(404, "{}")}, true}});
    run([&](http::Client& client) -> Task<> {
        const Deadline deadline = Deadline::after(plenty);
        const auto loading = co_await is_healthy(client, server.url("/health"), deadline);
        EXPECT_TRUE(loading && !*loading);
        const auto healthy = co_await is_healthy(client, server.url("/health"), deadline);
        EXPECT_TRUE(healthy && *healthy);
        EXPECT_EQ(co_await ask_context_window(client, server.url("/v1"), deadline), 2048);
        EXPECT_EQ(co_await ask_context_window(client, server.url("/v1"), deadline), std::nullopt);
    });
    EXPECT_THAT(server.requests().at(1), HasSubstr("GET /health HTTP/1.1\r\n"));
    EXPECT_THAT(server.requests().at(2), HasSubstr("GET /v1/models HTTP/1.1\r\n"));
}

}  // namespace
}  // namespace tertulia::providers
