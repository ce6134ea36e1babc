#include "tertulia/providers/openai_responses_provider.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/ask_provider.h"
#include "support/scripted_server.h"

namespace tertulia::providers {
namespace {

using async::Task;
using models::FailureKind;
using support::ScriptedServer;
using testing::HasSubstr;
using testing::Not;

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

support::Asked ask(const ScriptedServer& server, const models::ModelRequest& request) {
    support::Asked asked;
    support::run_with_client([&](http::Client& client) -> Task<> {
        OpenAiResponsesProvider provider(client, base::system_clock(),
                                         {.base_url = server.url("/v1"), .api_key = base::Secret("the-key")});
        EXPECT_EQ(provider.kind(), "openai-responses");
        EXPECT_FALSE(provider.takes_prefill("gpt-5"));
        EXPECT_EQ(provider.ignored_parameters(request), std::vector<std::string>{"stop"});
        asked = co_await support::ask(provider, request);
    });
    return asked;
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
