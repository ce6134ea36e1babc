#include "tertulia/providers/openai_responses_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "support/scripted_server.h"
#include "tertulia/async/spawn.h"
#include "tertulia/chat/message_builder.h"

namespace tertulia::providers {
namespace {

using async::Task;
using base::Deadline;
using models::FailureKind;
using support::ScriptedServer;
using testing::HasSubstr;
using testing::Not;

constexpr std::chrono::seconds plenty{20};

std::string answer(int status, std::string_view body) {
    return fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", status,
                       body.size(), body);
}

const std::string hello = answer(
    200, R"({"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}]})");

models::ModelRequest question() {
    return {
        .model = "gpt-5",
        .messages = {{chat::Role::user, {chat::Text{"q"}}},
                     {chat::Role::assistant,
                      {chat::Native{.json = R"({"type":"reasoning","id":"rs_1","encrypted_content":"x","summary":[]})",
                                    .maker = std::string(openai_responses_kind)},
                       chat::Text{"a"}}},
                     {chat::Role::user, {chat::Text{"more"}}}},
        .stop = {"END"}};
}

// The text of the answer, or what went wrong.
std::expected<std::string, models::Failure> ask(const ScriptedServer& server, const models::ModelRequest& request) {
    std::expected<std::string, models::Failure> outcome;
    async::asio::io_context context(1);
    bool done = false;
    {
        http::Client client(context.get_executor());
        OpenAiResponsesProvider provider(client, base::system_clock(),
                                         {.base_url = server.url("/v1"), .api_key = base::Secret("the-key")});
        EXPECT_EQ(provider.kind(), "openai-responses");
        EXPECT_FALSE(provider.takes_prefill("gpt-5"));
        EXPECT_EQ(provider.ignored_parameters(request), std::vector<std::string>{"stop"});
        const auto work = [&]() -> Task<> {
            auto opened = co_await provider.open(request, {}, Deadline::after(plenty));
            if (!opened) {
                outcome = std::unexpected(opened.error());
                co_return;
            }
            chat::AnswerEvents events;
            const auto next = co_await (*opened)->next(events, Deadline::after(plenty));
            EXPECT_TRUE(next && events.finish);
            outcome = chat::text_of(chat::build_answer(events, provider.kind()).blocks);
        };
        async::spawn(context.get_executor(), work(), [&](std::exception_ptr error) {
            done = true;
            EXPECT_FALSE(error);
        });
        const auto limit = std::chrono::steady_clock::now() + plenty;
        while (!done && std::chrono::steady_clock::now() < limit) context.run_one_for(plenty);
        client.close_idle();
    }
    EXPECT_TRUE(done) << "the task did not end";
    context.poll();
    return outcome;
}

TEST(OpenAiResponsesProvider, asks_and_reads) {
    ScriptedServer server({{{hello}, true}});
    EXPECT_EQ(ask(server, question()), "Hello");
    EXPECT_THAT(server.requests().at(0), HasSubstr("POST /v1/responses HTTP/1.1\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("Bearer the-key\r\n"));
    EXPECT_THAT(server.requests().at(0), HasSubstr("encrypted_content"));
}

TEST(OpenAiResponsesProvider, what_it_cannot_take_back_is_left_out_in_a_second_call) {
    const std::pair<int, const char*> refusals[] = {
        {400, "The encrypted content gAAA could not be verified."},
        {400, "Item 'rs_1' of type 'reasoning' was provided without its required following item."},
        {404, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false."},
    };
    for (const auto& [status, message] : refusals) {
        ScriptedServer server(
            {{{answer(status, fmt::format(R"({{"error":{{"message":"{}"}}}})", message))}, false}, {{hello}, true}});
        EXPECT_EQ(ask(server, question()), "Hello") << message;
        ASSERT_EQ(server.requests().size(), 2U) << message;
        EXPECT_THAT(server.requests().at(1), Not(HasSubstr("rs_1")));
        EXPECT_THAT(server.requests().at(1), HasSubstr(R"({"role":"assistant","content":"a"})"));
    }
}

TEST(OpenAiResponsesProvider, other_refusals_stand) {
    models::ModelRequest plain = question();
    plain.messages = {{chat::Role::user, {chat::Text{"q"}}}};
    const struct {
        const models::ModelRequest& request;
        std::string_view message;
    } table[] = {{question(), "Unknown parameter: 'x'."}, {plain, "The encrypted content could not be verified."}};
    for (const auto& row : table) {
        ScriptedServer server({{{answer(400, fmt::format(R"({{"error":{{"message":"{}"}}}})", row.message))}, true}});
        const auto outcome = ask(server, row.request);
        ASSERT_FALSE(outcome) << row.message;
        EXPECT_EQ(outcome.error().kind, FailureKind::rejected) << row.message;
        EXPECT_EQ(server.requests().size(), 1U) << row.message;
    }
}

}  // namespace
}  // namespace tertulia::providers
