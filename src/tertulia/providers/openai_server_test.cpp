#include "tertulia/providers/openai_server.h"

#include <gtest/gtest.h>

namespace tertulia::providers {
namespace {

TEST(OpenAiServer, is_known_by_its_address) {
    const struct {
        const char *host, *target;
        bool completion_tokens, obfuscation, cache_key, sure_of_files;
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
        EXPECT_TRUE(server.has_files) << row.host << row.target;
        EXPECT_EQ(!server.may_refuse_files, row.sure_of_files) << row.host << row.target;
    }
}

TEST(OpenAiHeaders, carry_the_key) {
    const http::Headers headers = openai_headers(base::Secret("k"), "api.openai.com");
    EXPECT_EQ(headers.get("authorization"), "Bearer k");
    EXPECT_EQ(headers.find("api-key"), nullptr);
    EXPECT_EQ(openai_headers(base::Secret("k"), "x.openai.azure.com").get("api-key"), "k");
    EXPECT_EQ(openai_headers(base::Secret(), "127.0.0.1").find("authorization"), nullptr);
}

}  // namespace
}  // namespace tertulia::providers
