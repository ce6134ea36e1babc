#include "tertulia/providers/openai_chat_provider.h"

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

const std::string hello = answer(200, R"({"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]})");
const std::string refusal = answer(400, R"({"error":{"message":"unsupported content[].type"}})");

models::ModelRequest about(chat::ContentBlock block) {
    return {.model = "m", .messages = {{chat::Role::user, {std::move(block)}}}};
}
const models::ModelRequest about_a_file =
    about(chat::Document{.media_type = "application/pdf", .base64 = "JVBERg==", .url = {}, .name = "a.pdf"});

TEST(OpenAiChatProvider, a_server_that_takes_no_files_is_asked_without_and_remembered) {
    ScriptedServer server({{{refusal}, false}, {{hello}, false}, {{hello}, true}});
    support::run_with_client([&](http::Client& client) -> Task<> {
        OpenAiChatProvider provider(client, base::system_clock(), {.base_url = server.url("/v1")});
        EXPECT_EQ(co_await support::ask(provider, about_a_file), "Hello");
        EXPECT_EQ(co_await support::ask(provider, about_a_file), "Hello");
    });
    ASSERT_EQ(server.requests().size(), 3U);
    EXPECT_THAT(server.requests().at(0), HasSubstr("file_data"));
    for (const std::size_t later : {1U, 2U}) {
        EXPECT_THAT(server.requests().at(later), Not(HasSubstr("file_data")));
        EXPECT_THAT(server.requests().at(later), HasSubstr("a.pdf"));
    }
}

TEST(OpenAiChatProvider, one_that_takes_them_gets_them) {
    ScriptedServer server({{{hello}, true}});
    support::run_with_client([&](http::Client& client) -> Task<> {
        OpenAiChatProvider provider(client, base::system_clock(), {.base_url = server.url("/v1")});
        EXPECT_EQ(co_await support::ask(provider, about_a_file), "Hello");
    });
    EXPECT_THAT(server.requests().at(0), HasSubstr("data:application/pdf;base64,JVBERg=="));
}

TEST(OpenAiChatProvider, a_refusal_stands_where_no_file_was_sent) {
    for (const models::ModelRequest& request :
         {about(chat::Text{"x"}),
          about(chat::Document{.media_type = "text/plain", .base64 = "eA==", .url = {}, .name = {}})}) {
        ScriptedServer server({{{refusal}, true}});
        support::run_with_client([&](http::Client& client) -> Task<> {
            OpenAiChatProvider provider(client, base::system_clock(), {.base_url = server.url("/v1")});
            const support::Asked asked = co_await support::ask(provider, request);
            EXPECT_FALSE(asked);
            if (!asked) EXPECT_EQ(asked.error().kind, FailureKind::rejected);
        });
        EXPECT_EQ(server.requests().size(), 1U);
    }
}

}  // namespace
}  // namespace tertulia::providers
