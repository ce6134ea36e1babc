#include "tertulia/providers/openai_server.h"

#include <gtest/gtest.h>

namespace tertulia::providers {
namespace {

TEST(OpenAiServer, is_known_by_its_address) {
    const struct {
        const char *host, *target;
        bool completion_tokens, obfuscation, cache_key, files;
    } table[] = {
        {"api.openai.com", "/v1/chat/completions", true, true, true, true},
        {"eu.api.openai.com", "/v1/chat/completions", true, true, true, true},
        {"x.openai.azure.com", "/openai/v1/chat/completions", true, false, true, true},
        {"x.openai.azure.com", "/openai/deployments/d/chat/completions?api-version=2023-05-15", false, false, false,
         false},
        {"127.0.0.1", "/v1/chat/completions", false, false, true, false},
        {"localhost", "/v1/chat/completions", false, false, true, false},
        {"::1", "/v1/chat/completions", false, false, true, false},
        {"api.groq.com", "/openai/v1/chat/completions", false, false, false, false},
        {"api.openai.com.example.org", "/", false, false, false, false},
        {"evilapi.openai.com", "/", false, false, false, false},
    };
    for (const auto& row : table) {
        const OpenAiServer server = openai_server({.tls = true, .host = row.host, .target = row.target});
        EXPECT_EQ(server.has_max_completion_tokens, row.completion_tokens) << row.host << row.target;
        EXPECT_EQ(server.has_obfuscation, row.obfuscation) << row.host << row.target;
        EXPECT_EQ(server.has_cache_key, row.cache_key) << row.host << row.target;
        EXPECT_EQ(server.has_files, row.files) << row.host << row.target;
    }
}

TEST(OpenAiHeaders, carry_the_key) {
    const http::Headers headers = openai_headers(base::Secret("k"), "api.openai.com");
    EXPECT_EQ(headers.get("authorization"), "Bearer k");
    EXPECT_EQ(headers.find("api-key"), nullptr);
    EXPECT_EQ(openai_headers(base::Secret("k"), "x.openai.azure.com").get("api-key"), "k");
    EXPECT_EQ(openai_headers(base::Secret(), "127.0.0.1").find("authorization"), nullptr);
}

TEST(OpenAiCallId, stays_what_it_is_as_long_as_it_fits) {
    const std::string exact(40, 'x'), longer(41, 'x');
    EXPECT_EQ(openai_call_id("toolu_1", 40), "toolu_1");
    EXPECT_EQ(openai_call_id(exact, 40), exact);
    EXPECT_EQ(openai_call_id(longer, 64), longer);
    EXPECT_LE(openai_call_id(longer, 40).size(), 40U);
    EXPECT_EQ(openai_call_id(longer, 40), openai_call_id(longer, 40));
    EXPECT_NE(openai_call_id(longer, 40), openai_call_id(longer + 'x', 40));
    EXPECT_FALSE(openai_call_id("", 40).empty());
}

}  // namespace
}  // namespace tertulia::providers
